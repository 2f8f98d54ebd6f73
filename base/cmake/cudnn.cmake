# cudnn-frontend and the headers of cuDNN, as the target quern_cudnn, where there are both: those that the cache names, CUDA's and the system's, else those in the packages of the python3 that is found first
# (nvidia-cudnn-frontend, nvidia-cudnn-cu13). Only train/cuda/cuda_dnn.cc is built with them, and nothing is linked: the library is opened when somebody wants it.
set(QUERN_CUDNN_FRONTEND_MIN 1.32) # the version that it was written with

find_program(QUERN_PYTHON3 python3)
set(packages "")
if(QUERN_PYTHON3)
  execute_process(COMMAND ${QUERN_PYTHON3} -c "import sys; print(';'.join(p + e for p in sys.path if p for e in ('/include', '/nvidia/cudnn/include')), end='')"
    OUTPUT_VARIABLE packages ERROR_QUIET)
endif()
find_path(QUERN_CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} PATHS ${packages} DOC "Folder of cudnn.h")
find_path(QUERN_CUDNN_FRONTEND_INCLUDE cudnn_frontend.h PATHS ${packages} DOC "Folder of cudnn_frontend.h")

set(version "")
if(QUERN_CUDNN_FRONTEND_INCLUDE)
  file(STRINGS ${QUERN_CUDNN_FRONTEND_INCLUDE}/cudnn_frontend_version.h lines REGEX "define CUDNN_FRONTEND_(MAJOR|MINOR|PATCH)_VERSION [0-9]+")
  list(TRANSFORM lines REPLACE ".* " "")
  list(JOIN lines "." version)
endif()
if(NOT QUERN_CUDNN_INCLUDE OR NOT QUERN_CUDNN_FRONTEND_INCLUDE)
  quern_feature(cuDNN "" "not found: no backend cuda-dnn (-DQUERN_CUDNN_FRONTEND_INCLUDE=FOLDER names that of cudnn_frontend.h)")
elseif(version VERSION_LESS QUERN_CUDNN_FRONTEND_MIN)
  quern_feature(cuDNN "${version}" "no backend cuda-dnn: cudnn-frontend is older than ${QUERN_CUDNN_FRONTEND_MIN}")
else()
  add_library(quern_cudnn INTERFACE)
  target_include_directories(quern_cudnn SYSTEM INTERFACE ${QUERN_CUDNN_FRONTEND_INCLUDE} ${QUERN_CUDNN_INCLUDE})
  quern_feature(cuDNN "${version}" "attention by it, where it is (cuda-dnn)")
endif()
