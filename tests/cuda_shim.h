// CUDA C as C++: the threads of a block are threads of the processor, and the blocks run one after another.
#include <math.h>

#include <barrier>
#include <thread>
#include <vector>

struct Index { unsigned x, y; };
static thread_local Index threadIdx, blockIdx;
static Index blockDim, gridDim;
static std::barrier<>* all_threads;

#define __global__ static
#define __device__ static
#define __shared__ static
#define __syncthreads() all_threads->arrive_and_wait()
#define __syncwarp() all_threads->arrive_and_wait()

template <class Kernel>
void launch(Kernel kernel, Index grid, unsigned threads, bool at_once, long long* table, long long number) {
    std::barrier barrier(at_once ? threads : 1);
    all_threads = &barrier;
    gridDim = grid;
    blockDim = {threads, 1};
    auto run = [&](unsigned first, unsigned last) {
        for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
            for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
                for (threadIdx.x = first; threadIdx.x < last; ++threadIdx.x) kernel(table, number);
                barrier.arrive_and_wait();
            }
    };
    std::vector<std::thread> others;
    for (unsigned n = 1; at_once && n < threads; ++n) others.emplace_back(run, n, n + 1);
    run(0, at_once ? 1 : threads);
    for (auto& other : others) other.join();
}
