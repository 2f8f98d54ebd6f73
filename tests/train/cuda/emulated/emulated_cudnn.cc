/* cudnn-frontend over the emulated device (cudnn_frontend.h). Stricter than NVIDIA's: what that may leave undefined (memory of the host, rows that overlap, an
 * address less aligned than 16 bytes, a tensor too many) is an error here. A plan wants the workspace that cuDNN 9.19 asked for, for such a graph of an H100,
 * and spoils it. Backward, where the same bits were not asked for, every second one adds from the other end. */
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#include "cudnn_frontend.h"

#include "emulated_dnn.h"
#include "emulated_graph.h"
#include "train/bfloat16.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <set>
#include <stdexcept>

struct emulated_dnn emulated_dnn;

namespace cudnn_frontend
{

namespace
{

enum { Q, K, V, OUT, STATS, DOUT, DQ, DK, DV, TENSORS };
enum { ALIGNMENT = 16, RUBBISH_BYTES_MAX = 16 << 10, TILE = 128, HEAD_MAX = 256, AMPERE_HEAD_MAX = 128 };

template <class Function> Function *find(const char *name)
{
    void *function = cudnn_dlhandle ? dlsym(cudnn_dlhandle, name) : nullptr;
    if (!function)
        throw std::runtime_error(std::string("Unable to find symbol ") + name);
    return reinterpret_cast<Function *>(function);
}

/* A tensor as the device sees it. */
struct View {
    char *data;
    int64_t dim[4], stride[4];
    bool narrow;

    int64_t at(int64_t b, int64_t h, int64_t t, int64_t i) const
    {
        return b * stride[0] + h * stride[1] + t * stride[2] + i * stride[3];
    }
    float get(int64_t b, int64_t h, int64_t t, int64_t i) const
    {
        const int64_t j = at(b, h, t, i);
        return narrow ? bfloat16_to_float(reinterpret_cast<const uint16_t *>(data)[j])
                      : reinterpret_cast<const float *>(data)[j];
    }
    void put(int64_t b, int64_t h, int64_t t, int64_t i, float x) const
    {
        const int64_t j = at(b, h, t, i);
        if (narrow)
            reinterpret_cast<uint16_t *>(data)[j] = bfloat16_of_float(x);
        else
            reinterpret_cast<float *>(data)[j] = x;
    }
    size_t bytes() const
    {
        const int64_t last = at(dim[0] - 1, dim[1] - 1, dim[2] - 1, dim[3] - 1);
        return static_cast<size_t>(last + 1) * (narrow ? 2 : 4);
    }
};

/* All that the device needs to know of a call. */
struct Call {
    View views[TENSORS];
    char *workspace;
    size_t workspace_bytes;
    float scale;
    bool backward, same_bits;
};

float rounded(float x)
{
    return bfloat16_to_float(bfloat16_of_float(x));
}

float dot(const View &x, int64_t t, const View &y, int64_t s, int64_t b, int64_t h)
{
    float sum = 0;
    for (int64_t i = 0; i < x.dim[3]; i++)
        sum += x.get(b, h, t, i) * y.get(b, h, s, i);
    return sum;
}

void attend_query(const Call &c, int64_t b, int64_t h, int64_t t)
{
    const View *v = c.views;
    std::vector<float> p(static_cast<size_t>(t) + 1), sums(static_cast<size_t>(v[V].dim[3]));
    float max = -INFINITY, total = 0;
    for (int64_t s = 0; s <= t; s++)
        max = std::max(max, p[static_cast<size_t>(s)] = c.scale * dot(v[Q], t, v[K], s, b, h));
    for (int64_t s = 0; s <= t; s++) {
        const float weight = std::exp(p[static_cast<size_t>(s)] - max);
        total += weight;
        for (int64_t i = 0; i < v[V].dim[3]; i++)
            sums[static_cast<size_t>(i)] += rounded(weight) * v[V].get(b, h, s, i);
    }
    for (int64_t i = 0; i < v[V].dim[3]; i++)
        v[OUT].put(b, h, t, i, sums[static_cast<size_t>(i)] / total);
    v[STATS].put(b, h, t, 0, max + std::log(total));
}

/* Gradients of a head, in FP32 until they are whole. */
struct Sums {
    std::vector<float> dq, dk, dv;
};

void add_query(const Call &c, int64_t b, int64_t h, int64_t t, Sums &sums)
{
    const View *v = c.views;
    const int64_t key = v[Q].dim[3], value = v[V].dim[3];
    const float along = dot(v[OUT], t, v[DOUT], t, b, h), lse = v[STATS].get(b, h, t, 0);
    for (int64_t s = 0; s <= t; s++) {
        const float p = std::exp(c.scale * dot(v[Q], t, v[K], s, b, h) - lse);
        const float ds = rounded(p * (dot(v[DOUT], t, v[V], s, b, h) - along));
        for (int64_t i = 0; i < value; i++)
            sums.dv[static_cast<size_t>(s * value + i)] += rounded(p) * v[DOUT].get(b, h, t, i);
        for (int64_t i = 0; i < key; i++) {
            sums.dq[static_cast<size_t>(t * key + i)] += ds * v[K].get(b, h, s, i);
            sums.dk[static_cast<size_t>(s * key + i)] += ds * v[Q].get(b, h, t, i);
        }
    }
}

void put_rows(const View &to, int64_t b, int64_t h, const std::vector<float> &sums, float scale)
{
    const int64_t width = to.dim[3];
    for (int64_t t = 0; t < to.dim[2]; t++)
        for (int64_t i = 0; i < width; i++)
            to.put(b, h, t, i, scale * sums[static_cast<size_t>(t * width + i)]);
}

void attend_head_backward(const Call &c, int64_t b, int64_t h, bool from_the_end)
{
    const int64_t length = c.views[Q].dim[2];
    const size_t keys = static_cast<size_t>(length * c.views[Q].dim[3]);
    Sums sums = {std::vector<float>(keys), std::vector<float>(keys),
                 std::vector<float>(static_cast<size_t>(length * c.views[V].dim[3]))};
    for (int64_t n = 0; n < length; n++)
        add_query(c, b, h, from_the_end ? length - 1 - n : n, sums);
    put_rows(c.views[DQ], b, h, sums.dq, c.scale);
    put_rows(c.views[DK], b, h, sums.dk, c.scale);
    put_rows(c.views[DV], b, h, sums.dv, 1);
}

cudaError_t run(void *what)
{
    const Call &c = *static_cast<const Call *>(what);
    emulated_dnn.any_order += c.backward && !c.same_bits;
    const bool from_the_end = c.backward && !c.same_bits && emulated_dnn.any_order % 2;
    emulated_dnn.executed++;
    emulated_begin();
    memset(c.workspace, 0xff, std::min(c.workspace_bytes, static_cast<size_t>(RUBBISH_BYTES_MAX)));
    for (int64_t b = 0; b < c.views[Q].dim[0]; b++)
        for (int64_t h = 0; h < c.views[Q].dim[1]; h++)
            if (c.backward)
                attend_head_backward(c, b, h, from_the_end);
            else
                for (int64_t t = 0; t < c.views[Q].dim[2]; t++)
                    attend_query(c, b, h, t);
    emulated_end();
    return cudaSuccess;
}

error_t bad(const std::string &text)
{
    return {"cudnn, emulated: " + text};
}

/* Heads of a token, tokens of a sequence and sequences do not overlap, in whichever order they lie. */
bool is_apart(const graph::Tensor_attributes &t)
{
    std::vector<std::pair<int64_t, int64_t>> each;
    for (size_t i = 0; i < 4; i++)
        if (t.dim[i] > 1)
            each.push_back({t.stride[i], t.dim[i]});
    std::sort(each.begin(), each.end());
    int64_t extent = 1;
    for (const auto &[stride, dim] : each) {
        if (stride < extent)
            return false;
        extent += stride * (dim - 1);
    }
    return true;
}

error_t check_tensor(const graph::Tensor_attributes &t, bool is_output, const std::vector<int64_t> &dim, bool narrow)
{
    if (t.uid <= 0 || t.output != is_output || t.dim != dim || t.stride.size() != 4)
        return bad(t.name + ": not given, not the operation's, or of another shape");
    if (t.type != (narrow ? DataType_t::BFLOAT16 : DataType_t::FLOAT))
        return bad(t.name + ": of another type");
    for (size_t i = 0; i < 4; i++)
        if (t.dim[i] < 1 || t.stride[i] < 1 || (narrow && i < 3 && t.stride[i] * 2 % ALIGNMENT != 0))
            return bad(t.name + ": a stride is no multiple of the alignment");
    if (t.stride[3] != 1 || !is_apart(t))
        return bad(t.name + ": numbers are not contiguous, or overlap");
    return {};
}

} // namespace

namespace detail
{

cudnnStatus_t create_handle(cudnnHandle_t *handle)
{
    return find<cudnnStatus_t(cudnnHandle_t *)>("cudnnCreate")(handle);
}

cudnnStatus_t set_stream(cudnnHandle_t handle, cudaStream_t stream)
{
    return find<cudnnStatus_t(cudnnHandle_t, cudaStream_t)>("cudnnSetStream")(handle, stream);
}

cudnnStatus_t destroy_handle(cudnnHandle_t handle)
{
    return find<cudnnStatus_t(cudnnHandle_t)>("cudnnDestroy")(handle);
}

} // namespace detail

namespace graph
{

Graph::Graph()
{
    emulated_dnn.alive++;
}

Graph::~Graph()
{
    emulated_dnn.alive--;
}

Graph &Graph::set_io_data_type(DataType_t type)
{
    types_.push_back(type);
    return *this;
}

Graph &Graph::set_intermediate_data_type(DataType_t type)
{
    types_.push_back(type);
    return *this;
}

Graph &Graph::set_compute_data_type(DataType_t type)
{
    types_.push_back(type);
    return *this;
}

Graph::Tensor Graph::tensor(const Tensor_attributes &attributes)
{
    inputs_.push_back(std::make_shared<Tensor_attributes>(attributes));
    return inputs_.back();
}

std::array<Graph::Tensor, 2> Graph::sdpa(Tensor q, Tensor k, Tensor v, SDPA_attributes attributes)
{
    const Tensor out = std::make_shared<Tensor_attributes>(), stats = std::make_shared<Tensor_attributes>();
    attributes_ = attributes;
    tensors_ = {q, k, v, out, stats};
    return {out, attributes.stats ? stats : nullptr};
}

std::array<Graph::Tensor, 3> Graph::sdpa_backward(Tensor q, Tensor k, Tensor v, Tensor out, Tensor dout, Tensor stats,
                                                  SDPA_backward_attributes attributes)
{
    const Tensor dq = std::make_shared<Tensor_attributes>(), dk = std::make_shared<Tensor_attributes>(),
                 dv = std::make_shared<Tensor_attributes>();
    attributes_ = attributes;
    tensors_ = {q, k, v, out, stats, dout, dq, dk, dv};
    backward_ = true;
    return {dq, dk, dv};
}

/* One step behind the other. */
error_t Graph::go(Step from, Step to, int refusal)
{
    if (step_ != from)
        return bad("called out of order");
    if (emulated_dnn.refusal == refusal)
        return bad("no engine takes it");
    step_ = to;
    return {};
}

error_t Graph::validate()
{
    if (types_ != std::vector<DataType_t>{DataType_t::BFLOAT16, DataType_t::FLOAT, DataType_t::FLOAT})
        return bad("types of the graph");
    if (tensors_.empty() || inputs_.size() != (backward_ ? 6 : 3) || attributes_.name.empty() || !attributes_.scaled ||
        !attributes_.top_left || attributes_.right_bound != 0)
        return bad("not a causal attention");
    if (tensors_[Q]->dim.size() != 4 || tensors_[V]->dim.size() != 4)
        return bad("without dimensions");
    const std::vector<int64_t> key = tensors_[Q]->dim, value = {key[0], key[1], key[2], tensors_[V]->dim[3]},
                               one = {key[0], key[1], key[2], 1};
    std::set<int64_t> uids;
    for (size_t i = 0; i < tensors_.size(); i++) {
        const bool is_output = backward_ ? i >= DQ : i == OUT || i == STATS;
        const bool is_key = i == Q || i == K || i == DQ || i == DK;
        const error_t error = check_tensor(*tensors_[i], is_output,
                                           is_key       ? key
                                           : i == STATS ? one
                                                        : value,
                                           i != STATS);
        if (error.is_bad())
            return error;
        if (!uids.insert(tensors_[i]->uid).second)
            return bad("a number twice");
    }
    if (tensors_[STATS]->stride != std::vector<int64_t>{key[1] * key[2], key[2], 1, 1})
        return bad("statistics that are not packed");
    if (key[3] > HEAD_MAX || value[3] > HEAD_MAX || key[3] % 8 || value[3] % 8)
        return bad("heads must have up to 256 numbers, in eights");
    if (backward_ && (key[2] == 1 || emulated_dnn.refuses_backward))
        return bad("backward is not supported");
    return go(Step::NONE, Step::VALIDATED, DNN_REFUSES_TO_VALIDATE);
}

error_t Graph::build_operation_graph(cudnnHandle_t handle)
{
    handle_ = handle;
    if (emulated_dnn.refusal == DNN_THROWS)
        throw std::runtime_error("cudnn, emulated: thrown");
    return handle ? go(Step::VALIDATED, Step::IN_ENGINES, -1) : bad("no handle");
}

error_t Graph::create_execution_plans(const std::vector<HeurMode_t> &modes)
{
    return modes.empty() ? bad("no heuristic") : go(Step::IN_ENGINES, Step::PLANNED, DNN_REFUSES_ENGINES);
}

Graph &Graph::deselect_numeric_notes(const std::vector<NumericalNote_t> &notes)
{
    same_bits_ = step_ == Step::PLANNED && std::count(notes.begin(), notes.end(), NumericalNote_t::NONDETERMINISTIC);
    return *this;
}

error_t Graph::check_support()
{
    return go(Step::PLANNED, Step::SUPPORTED, DNN_REFUSES_SUPPORT);
}

/* Code is loaded: that is not done while a graph of launches is captured. */
error_t Graph::build_plans()
{
    cudaStream_t stream;
    (void)find<cudnnStatus_t(cudnnHandle_t, cudaStream_t *)>("cudnnGetStream")(handle_, &stream);
    if (emulated_is_captured(stream)) {
        (void)emulated_end_capture();
        return bad("a plan cannot be built now");
    }
    const error_t error = go(Step::SUPPORTED, Step::BUILT, DNN_REFUSES_TO_BUILD);
    emulated_dnn.built += error.is_good();
    return error;
}

error_t Graph::get_workspace_size(int64_t &bytes) const
{
    if (step_ != Step::BUILT)
        return bad("there is no plan");
    const int64_t *dim = tensors_[Q]->dim.data(), tokens = (dim[2] + TILE - 1) / TILE * TILE;
    const int64_t parts =
        dim[2] * dim[3] * 4 * (dim[3] <= AMPERE_HEAD_MAX ? 2 : 1); /* an A100's, where that has a way */
    const int64_t of_head = (attributes_.deterministic ? tokens * tokens * 2 : parts) + dim[2] * 4;
    bytes = backward_ ? dim[0] * dim[1] * of_head : 0;
    if (emulated_dnn.refusal == DNN_WANTS_MORE)
        bytes = static_cast<int64_t>(1) << 40;
    return {};
}

error_t Graph::execute(cudnnHandle_t handle, std::unordered_map<int64_t, void *> &tensors, void *workspace) const
{
    Call call = {};
    cudaStream_t stream;
    int64_t bytes;
    if (emulated_dnn.throws)
        throw std::runtime_error("cudnn, emulated: thrown");
    const error_t error = get_workspace_size(bytes);
    if (error.is_bad() || emulated_dnn.fails || !handle || handle != handle_ || tensors.size() != tensors_.size())
        return bad("a plan that fails, of another handle, or of other tensors");
    for (size_t i = 0; i < tensors_.size(); i++) {
        const Tensor_attributes &t = *tensors_[i];
        View &view = call.views[i];
        view.data = static_cast<char *>(tensors.count(t.uid) ? tensors[t.uid] : nullptr);
        view.narrow = t.type == DataType_t::BFLOAT16;
        std::copy(t.dim.begin(), t.dim.end(), view.dim);
        std::copy(t.stride.begin(), t.stride.end(), view.stride);
        if (reinterpret_cast<uintptr_t>(view.data) % (view.narrow ? ALIGNMENT : 4) ||
            !emulated_is_device(view.data, view.bytes()))
            return bad(t.name + ": not memory of the device, or not aligned");
    }
    call.workspace = static_cast<char *>(workspace);
    call.workspace_bytes = static_cast<size_t>(bytes);
    if (reinterpret_cast<uintptr_t>(workspace) % 256 || !emulated_is_device(workspace, call.workspace_bytes))
        return bad("workspace");
    call.scale = attributes_.scale;
    call.backward = backward_;
    call.same_bits = attributes_.deterministic && same_bits_;
    (void)find<cudnnStatus_t(cudnnHandle_t, cudaStream_t *)>("cudnnGetStream")(handle, &stream);
    return emulated_submit(stream, run, &call, sizeof call) == cudaSuccess ? error_t{} : bad("the stream");
}

} // namespace graph
} // namespace cudnn_frontend
