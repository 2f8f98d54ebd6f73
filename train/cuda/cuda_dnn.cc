// cuDNN behind its C face (cuda_dnn.h), by cudnn-frontend: a graph of one operation for each shape, its plan built once and kept.
#include "train/cuda/cuda_dnn.h"

extern "C" {
#include "base/log.h"
}

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

// cuDNN and CUDA's runtime are opened by name at run time, functions of cuDNN looked for in cudnn_dlhandle. What it would write as JSON, nobody asks for.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>

namespace cudnn_frontend
{
void *cudnn_dlhandle = nullptr;
}
namespace fe = cudnn_frontend;

namespace
{

// Tensors are given by these numbers when a plan runs.
enum tensor_id { Q = 1, K, V, OUT, LSE, DOUT, DQ, DK, DV };

// Everything that decides on a plan.
using Key = std::array<int64_t, 23>;

using Plan = std::unique_ptr<fe::graph::Graph>; // none: cuDNN has no way for it

constexpr size_t PLANS_MAX = 64; // as many shapes as a run may well have at one time; a cache: it begins again

} // namespace

struct cuda_dnn {
    cudnnHandle_t handle = nullptr;
    bool deterministic = true;
    std::map<Key, Plan> plans;
};

namespace
{

// The library itself stays: its kernels would be loaded again for the next context.
bool load_library()
{
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    if (!fe::cudnn_dlhandle)
        fe::cudnn_dlhandle = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
    return fe::cudnn_dlhandle != nullptr;
}

Key key_of(const cuda_dnn_attention &a)
{
    uint32_t scale;
    std::memcpy(&scale, &a.scale, sizeof scale);
    Key key = {a.backward,     int64_t(a.batch), int64_t(a.sequence), int64_t(a.heads),
               int64_t(a.key), int64_t(a.value), int64_t(scale)};
    size_t at = 7;
    for (const cuda_dnn_tensor *tensor : {&a.q, &a.k, &a.v, &a.out, &a.dout, &a.dq, &a.dk, &a.dv}) {
        key[at++] = int64_t(tensor->head);
        key[at++] = int64_t(tensor->token);
    }
    return key;
}

// --- the graph ------------------------------------------------------------------------------------------------------------------------

using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;
using Numbers = std::vector<int64_t>;

Numbers dim_of(const cuda_dnn_attention &a, size_t width)
{
    return {int64_t(a.batch), int64_t(a.heads), int64_t(a.sequence), int64_t(width)};
}

Numbers stride_of(const cuda_dnn_attention &a, const cuda_dnn_tensor &tensor)
{
    return {int64_t(a.sequence * tensor.token), int64_t(tensor.head), int64_t(tensor.token), 1};
}

// lse lies as cuDNN's own statistics do: heads of a sequence behind each other, and sequences.
Numbers stride_of_lse(const cuda_dnn_attention &a)
{
    return {int64_t(a.heads * a.sequence), int64_t(a.sequence), 1, 1};
}

Tensor read(fe::graph::Graph &graph, const cuda_dnn_attention &a, tensor_id id, const char *name,
            const cuda_dnn_tensor &tensor, size_t width)
{
    return graph.tensor(fe::graph::Tensor_attributes()
                            .set_name(name)
                            .set_uid(id)
                            .set_dim(dim_of(a, width))
                            .set_stride(stride_of(a, tensor))
                            .set_data_type(fe::DataType_t::BFLOAT16));
}

void write(const Tensor &to, const cuda_dnn_attention &a, tensor_id id, const cuda_dnn_tensor &tensor, size_t width)
{
    to->set_output(true)
        .set_uid(id)
        .set_dim(dim_of(a, width))
        .set_stride(stride_of(a, tensor))
        .set_data_type(fe::DataType_t::BFLOAT16);
}

void describe_forward(fe::graph::Graph &graph, const cuda_dnn_attention &a)
{
    const Tensor q = read(graph, a, Q, "q", a.q, a.key), k = read(graph, a, K, "k", a.k, a.key),
                 v = read(graph, a, V, "v", a.v, a.value);
    const auto outputs = graph.sdpa(q, k, v,
                                    fe::graph::SDPA_attributes()
                                        .set_name("attention")
                                        .set_generate_stats(true)
                                        .set_attn_scale(a.scale)
                                        .set_diagonal_alignment(fe::DiagonalAlignment_t::TOP_LEFT)
                                        .set_diagonal_band_right_bound(0));
    write(outputs[0], a, OUT, a.out, a.value);
    outputs[1]
        ->set_output(true)
        .set_uid(LSE)
        .set_dim(dim_of(a, 1))
        .set_stride(stride_of_lse(a))
        .set_data_type(fe::DataType_t::FLOAT);
}

void describe_backward(fe::graph::Graph &graph, const cuda_dnn_attention &a, bool deterministic)
{
    const Tensor q = read(graph, a, Q, "q", a.q, a.key), k = read(graph, a, K, "k", a.k, a.key),
                 v = read(graph, a, V, "v", a.v, a.value), out = read(graph, a, OUT, "out", a.out, a.value),
                 dout = read(graph, a, DOUT, "dout", a.dout, a.value);
    const Tensor lse = graph.tensor(fe::graph::Tensor_attributes()
                                        .set_name("lse")
                                        .set_uid(LSE)
                                        .set_dim(dim_of(a, 1))
                                        .set_stride(stride_of_lse(a))
                                        .set_data_type(fe::DataType_t::FLOAT));
    const auto gradients = graph.sdpa_backward(q, k, v, out, dout, lse,
                                               fe::graph::SDPA_backward_attributes()
                                                   .set_name("attention backward")
                                                   .set_attn_scale(a.scale)
                                                   .set_diagonal_alignment(fe::DiagonalAlignment_t::TOP_LEFT)
                                                   .set_diagonal_band_right_bound(0)
                                                   .set_deterministic_algorithm(deterministic));
    write(gradients[0], a, DQ, a.dq, a.key);
    write(gradients[1], a, DK, a.dk, a.key);
    write(gradients[2], a, DV, a.dv, a.value);
}

// The first of the heuristic's engines that takes the shape, and where it is wanted gives the same bits each time: none is timed, so that a rerun has the
// same one.
fe::error_t build(const cuda_dnn &dnn, fe::graph::Graph &graph, const cuda_dnn_attention &a, int64_t &workspace)
{
    graph.set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    if (a.backward)
        describe_backward(graph, a, dnn.deterministic);
    else
        describe_forward(graph, a);
    fe::error_t error = graph.validate();
    if (error.is_good())
        error = graph.build_operation_graph(dnn.handle);
    if (error.is_good())
        error = graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK});
    if (error.is_good()) {
        if (dnn.deterministic)
            graph.deselect_numeric_notes({fe::NumericalNote_t::NONDETERMINISTIC});
        error = graph.check_support();
    }
    if (error.is_good())
        error = graph.build_plans();
    return error.is_good() ? graph.get_workspace_size(workspace) : error;
}

std::string text_of(const cuda_dnn_attention &a)
{
    char text[160];
    (void)std::snprintf(text, sizeof text, "attention%s of %zu x %zu heads over %zu tokens, keys of %zu, values of %zu",
                        a.backward ? " backward" : "", a.batch, a.heads, a.sequence, a.key, a.value);
    return text;
}

void warn_of_none(const cuda_dnn_attention &a, const std::string &why)
{
    q_log_warning("cuDNN has no way for %s, and our own kernels are used: %.300s", text_of(a).c_str(), why.c_str());
}

void warn_of_failure(const cuda_dnn_attention &a, const std::string &why)
{
    q_log_warning("cuDNN's %s failed: %.300s", text_of(a).c_str(), why.c_str());
}

// A plan for the shape, where there is one that runs in so much workspace.
Plan make_plan(const cuda_dnn &dnn, const cuda_dnn_attention &a, size_t workspace_bytes)
{
    Plan graph = std::make_unique<fe::graph::Graph>();
    try {
        int64_t wanted = 0;
        fe::error_t error = build(dnn, *graph, a, wanted);
        if (error.is_bad())
            warn_of_none(a, error.get_message());
        else if (wanted < 0 || uint64_t(wanted) > workspace_bytes)
            warn_of_none(a, "it wants " + std::to_string(wanted) + " bytes of workspace");
        else
            return graph;
    } catch (const std::exception &e) {
        warn_of_none(a, e.what());
    }
    return nullptr;
}

const Plan &find_plan(cuda_dnn &dnn, const cuda_dnn_attention &a, size_t workspace_bytes)
{
    const Key key = key_of(a);
    const auto found = dnn.plans.find(key);
    if (found != dnn.plans.end())
        return found->second;
    if (dnn.plans.size() == PLANS_MAX)
        dnn.plans.clear(); // graphs of launches that have some of them hold them (CudaGraphRetention_t)
    return dnn.plans.emplace(key, make_plan(dnn, a, workspace_bytes)).first->second;
}

std::unordered_map<int64_t, void *> tensors_of(const cuda_dnn_attention &a)
{
    const auto of = [](const cuda_dnn_tensor &tensor) { return const_cast<void *>(tensor.data); };
    std::unordered_map<int64_t, void *> tensors = {
        {Q, of(a.q)}, {K, of(a.k)}, {V, of(a.v)}, {OUT, of(a.out)}, {LSE, a.lse}};
    if (a.backward)
        tensors.insert({{DOUT, of(a.dout)}, {DQ, of(a.dq)}, {DK, of(a.dk)}, {DV, of(a.dv)}});
    return tensors;
}

} // namespace

extern "C" q_status cuda_dnn_create(cudaStream_t stream, bool deterministic, struct cuda_dnn **out)
{
    if (!load_library())
        return q_fail(Q_ERR_SYSTEM, "there is no cuDNN (libcudnn.so.9) for attention; install it, add its folder to "
                                    "LD_LIBRARY_PATH, or choose the backend 'cuda'");
    try {
        auto dnn = std::make_unique<cuda_dnn>();
        dnn->deterministic = deterministic;
        const bool good = fe::detail::create_handle(&dnn->handle) == CUDNN_STATUS_SUCCESS &&
                          fe::detail::set_stream(dnn->handle, stream) == CUDNN_STATUS_SUCCESS;
        if (good) {
            *out = dnn.release();
            return Q_OK;
        }
        cuda_dnn_release(dnn.release());
    } catch (const std::exception &e) {
        return q_fail(Q_ERR_SYSTEM, "cuDNN cannot be used: %s; choose the backend 'cuda'", e.what());
    }
    return q_fail(Q_ERR_SYSTEM, "cuDNN does not start on this GPU; choose the backend 'cuda'");
}

extern "C" void cuda_dnn_release(struct cuda_dnn *dnn)
{
    if (!dnn)
        return;
    dnn->plans.clear();
    if (dnn->handle)
        (void)fe::detail::destroy_handle(dnn->handle);
    delete dnn;
}

extern "C" cudaError_t cuda_dnn_attend(struct cuda_dnn *dnn, const struct cuda_dnn_attention *attention,
                                       void *workspace, size_t workspace_bytes)
{
    try {
        const Plan &plan = find_plan(*dnn, *attention, workspace_bytes);
        if (!plan)
            return cudaErrorNotSupported;
        auto tensors = tensors_of(*attention);
        fe::error_t error = plan->execute(dnn->handle, tensors, workspace);
        if (error.is_good())
            return cudaSuccess;
        warn_of_failure(*attention, error.get_message());
    } catch (const std::exception &e) {
        warn_of_failure(*attention, e.what());
    }
    return cudaErrorUnknown;
}
