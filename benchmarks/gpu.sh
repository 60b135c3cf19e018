#!/usr/bin/env bash
# On a machine with a CUDA device, CuPy, PyTorch and pytest: the GPU tests and as much of the suite as there is time for,
# then recurrent layers, training steps, small operations and networks without recording (minigrad on CuPy; PyTorch on
# CUDA, or CuPy alone). Takes under eight minutes and no network. `gpu.sh loops` runs instead, in under ten minutes, an
# LSTM at three sizes against cuDNN's, a loop in eager PyTorch, and that loop under torch.compile; `gpu.sh train`, in as
# long at most, whole updates of the character model at three sizes against PyTorch on CUDA; `gpu.sh systems` runs every
# system in its quick form on the GPU, where its data are installed. The JSON files go to $OUT if set, else to
# benchmarks/results. Exit status: 2 without a CUDA device, 1 if a test or a contender failed, or the time ran out.
set -uo pipefail
cd "$(dirname "$0")/.."

if ! python3 -c 'import sys, cupy; sys.exit(cupy.cuda.runtime.getDeviceCount() == 0)' 2>/dev/null; then
    echo "No CUDA device that CuPy can use: nothing was run." >&2
    exit 2
fi
status=0

out="${OUT:-benchmarks/results}"

measure() { # SECONDS NAMES…: what was measured so far is kept if the time runs out
    timeout "$1" python3 -m benchmarks.run "${@:2}" --backend cupy --threads 1 --rounds 2 --seconds 0.3 --patience 0 \
        --out "$out" || status=1
}

if [ "${1:-}" = loops ]; then
    echo "=== LSTM: cuDNN, eager PyTorch, torch.compile"
    measure 570 loop-gpu
    exit $status
fi
if [ "${1:-}" = train ]; then
    echo "=== Updates of the character model"
    measure 570 char-lm-step --sizes 100,64,128,256 100,32,128,512 100,128,256,1024
    exit $status
fi

if [ "${1:-}" = systems ]; then
    echo "=== Every system, in its quick form"
    timeout 570 python3 -m minigrad_rnn run all --quick --backend cupy --out "$out/systems" || status=1
    exit $status
fi

echo "=== GPU tests"
timeout 220 python3 -m benchmarks.gpu_tests "$out/gpu-tests.json" || status=1
echo "=== Recurrent layers"
measure 140 rnn
echo "=== Training steps, small operations, networks without recording"
measure 110 mlp-step engine mlp-forward
exit $status
