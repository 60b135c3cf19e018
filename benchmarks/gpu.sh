#!/usr/bin/env bash
# On a machine with a CUDA device, CuPy, PyTorch and pytest: the GPU tests, then the recurrent layers (minigrad on CuPy,
# PyTorch on CUDA). Takes under eight minutes and no network. The JSON file goes to $OUT if set, else to
# benchmarks/results. Exit status: 2 without a CUDA device, 1 if a test or a contender failed.
set -uo pipefail
cd "$(dirname "$0")/.."

if ! python3 -c 'import sys, cupy; sys.exit(cupy.cuda.runtime.getDeviceCount() == 0)' 2>/dev/null; then
    echo "No CUDA device that CuPy can use: nothing was run." >&2
    exit 2
fi
status=0

echo "=== GPU tests"
timeout 120 python3 -m pytest -q -m gpu -rs
tests=$?
if [ $tests -eq 5 ]; then
    echo "There are no GPU tests."
elif [ $tests -ne 0 ]; then
    status=1
fi

echo "=== Recurrent layers" # what was measured so far is kept if the time runs out
timeout 330 python3 -m benchmarks.run rnn --backend cupy --rounds 2 --seconds 0.5 --patience 0 \
    --out "${OUT:-benchmarks/results}" || status=1
exit $status
