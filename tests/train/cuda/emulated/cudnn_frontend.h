/* What train/cuda/cuda_dnn.cc takes of cudnn-frontend, in place of NVIDIA's header (emulated_cudnn.cc): a graph of one attention, strict about what the manual
 * asks for, whose plan computes it by loops. */
#ifndef QUERN_TESTS_CUDNN_FRONTEND_H
#define QUERN_TESTS_CUDNN_FRONTEND_H

#include "cuda_runtime_api.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#if !defined(NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING)
#error "the library would have to be linked"
#endif

typedef struct emulated_dnn_handle *cudnnHandle_t;
typedef enum { CUDNN_STATUS_SUCCESS = 0, CUDNN_STATUS_NOT_INITIALIZED = 1001 } cudnnStatus_t;

namespace cudnn_frontend
{

extern void *cudnn_dlhandle;

enum class DataType_t { NOT_SET, FLOAT, BFLOAT16 };
enum class HeurMode_t { A, B, FALLBACK };
enum class NumericalNote_t { TENSOR_CORE, NONDETERMINISTIC };
enum class DiagonalAlignment_t { TOP_LEFT, BOTTOM_RIGHT };

struct error_object {
    std::string text; /* empty: none */
    bool is_good() const
    {
        return text.empty();
    }
    bool is_bad() const
    {
        return !text.empty();
    }
    std::string get_message()
    {
        return text;
    }
};
typedef error_object error_t;

namespace detail
{
cudnnStatus_t create_handle(cudnnHandle_t *handle);
cudnnStatus_t set_stream(cudnnHandle_t handle, cudaStream_t stream);
cudnnStatus_t destroy_handle(cudnnHandle_t handle);
} // namespace detail

namespace graph
{

#define SETTER(type, name, argument, member)                                                                           \
    type &name(argument value)                                                                                         \
    {                                                                                                                  \
        member = value;                                                                                                \
        return *this;                                                                                                  \
    }

struct Tensor_attributes {
    std::string name;
    int64_t uid = 0;
    std::vector<int64_t> dim, stride;
    DataType_t type = DataType_t::NOT_SET;
    bool output = false;
    SETTER(Tensor_attributes, set_name, const std::string &, name)
    SETTER(Tensor_attributes, set_uid, int64_t, uid)
    SETTER(Tensor_attributes, set_dim, const std::vector<int64_t> &, dim)
    SETTER(Tensor_attributes, set_stride, const std::vector<int64_t> &, stride)
    SETTER(Tensor_attributes, set_data_type, DataType_t, type)
    SETTER(Tensor_attributes, set_output, bool, output)
};

/* Of both operations. */
struct attention_attributes {
    std::string name;
    bool stats = false, deterministic = false, top_left = false, scaled = false;
    int64_t right_bound = -1;
    float scale = 0;
};

#define COMMON(type)                                                                                                   \
    SETTER(type, set_name, const std::string &, name)                                                                  \
    type &set_attn_scale(float value)                                                                                  \
    {                                                                                                                  \
        scaled = true;                                                                                                 \
        scale = value;                                                                                                 \
        return *this;                                                                                                  \
    }                                                                                                                  \
    type &set_diagonal_alignment(DiagonalAlignment_t value)                                                            \
    {                                                                                                                  \
        top_left = value == DiagonalAlignment_t::TOP_LEFT;                                                             \
        return *this;                                                                                                  \
    }                                                                                                                  \
    SETTER(type, set_diagonal_band_right_bound, int, right_bound)

struct SDPA_attributes : attention_attributes {
    COMMON(SDPA_attributes)
    SETTER(SDPA_attributes, set_generate_stats, bool, stats)
};

struct SDPA_backward_attributes : attention_attributes {
    COMMON(SDPA_backward_attributes)
    SETTER(SDPA_backward_attributes, set_deterministic_algorithm, bool, deterministic)
};
#undef COMMON
#undef SETTER

class Graph
{
  public:
    typedef std::shared_ptr<Tensor_attributes> Tensor;
    Graph();
    ~Graph();
    Graph(const Graph &) = delete;
    Graph &operator=(const Graph &) = delete;
    Graph &set_io_data_type(DataType_t type);
    Graph &set_intermediate_data_type(DataType_t type);
    Graph &set_compute_data_type(DataType_t type);
    Tensor tensor(const Tensor_attributes &attributes);
    std::array<Tensor, 2> sdpa(Tensor q, Tensor k, Tensor v, SDPA_attributes attributes);
    std::array<Tensor, 3> sdpa_backward(Tensor q, Tensor k, Tensor v, Tensor out, Tensor dout, Tensor stats,
                                        SDPA_backward_attributes attributes);
    error_t validate();
    error_t build_operation_graph(cudnnHandle_t handle);
    error_t create_execution_plans(const std::vector<HeurMode_t> &modes);
    Graph &deselect_numeric_notes(const std::vector<NumericalNote_t> &notes);
    error_t check_support();
    error_t build_plans();
    error_t get_workspace_size(int64_t &bytes) const;
    error_t execute(cudnnHandle_t handle, std::unordered_map<int64_t, void *> &tensors, void *workspace) const;

  private:
    enum class Step { NONE, VALIDATED, IN_ENGINES, PLANNED, SUPPORTED, BUILT };
    Step step_ = Step::NONE;
    bool backward_ = false, same_bits_ = false;
    std::vector<DataType_t> types_;
    std::vector<Tensor> inputs_, tensors_; /* of the operation: q, k, v, out, stats; backward dout, dq, dk, dv too */
    attention_attributes attributes_;
    cudnnHandle_t handle_ = nullptr;
    error_t go(Step from, Step to, int refusal);
};

} // namespace graph
} // namespace cudnn_frontend

#endif
