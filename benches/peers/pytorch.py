"""Times PyTorch's batch norm at the shapes of `cargo bench`, and prints the same columns.

    python benches/peers/pytorch.py [--device cpu|cuda] [--quick] [--element TYPE] [--csv FILE] [FILTER ...]

Eager `batch_norm` in training and in inference, and its backward pass; channels last too. On a CUDA
device times are the device's, by events; on the CPU they are the wall clock's. The last three columns
are empty: a ceiling is the adapter's, and `cargo bench` measures it. Elements are f32, f16 or bf16;
weight, bias and statistics are f32 whatever they are.
"""

import argparse
import statistics
import sys
import time

import torch

RESNET_50 = [(64, 112), (64, 56), (256, 56), (128, 28), (512, 28), (256, 14), (1024, 14), (512, 7), (2048, 7)]
QUICK = [(256, 56), (512, 28), (1024, 14), (2048, 7)]
DENSE = [(32, 64), (65_536, 64), (1_024, 4_096)]
ROUNDS = 7
# Seconds of rounds before those that are timed, as in `cargo bench`: threads that have slept may share a core at first.
WARM_UP = 0.1
COLUMNS = "adapter,op,layout,dtype,n,c,inner,bytes,dispatches,median_ms,spread,gb_per_s,ceiling_ms,ceiling_fraction,cpu_ms"
ELEMENTS = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
# Tensors that have to move: reads and writes, as `cargo bench` counts them.
TENSORS = {"training": 3, "inference": 2, "backward": 5}


def cases(quick):
    for n in [32] if quick else [32, 64]:
        for c, side in QUICK if quick else RESNET_50:
            for layout in ["first", "last"]:
                yield layout, n, c, side
    for n, c in DENSE:
        yield "dense", n, c, 1


def tensor(layout, n, c, side, device, element):
    dtype = ELEMENTS[element]
    if layout == "dense":
        return torch.randn(n, c, device=device, dtype=dtype)
    x = torch.randn(n, c, side, side, device=device, dtype=dtype)
    return x.contiguous(memory_format=torch.channels_last) if layout == "last" else x


def timed(device, run):
    if device == "cpu":
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def passes(x):
    c = x.shape[1]
    weight = torch.ones(c, device=x.device, requires_grad=True)
    bias = torch.zeros(c, device=x.device, requires_grad=True)
    mean, var = torch.zeros(c, device=x.device), torch.ones(c, device=x.device)
    norm = torch.nn.functional.batch_norm

    def training():
        with torch.no_grad():
            norm(x, mean, var, weight, bias, True, 0.1, 1e-5)

    def inference():
        with torch.no_grad():
            norm(x, mean, var, weight, bias, False, 0.1, 1e-5)

    leaf = x.detach().requires_grad_()
    y = norm(leaf, mean, var, weight, bias, True, 0.1, 1e-5)
    dy = torch.randn_like(y)

    def backward():
        torch.autograd.grad(y, [leaf, weight, bias], dy, retain_graph=True)

    return {"training": training, "inference": inference, "backward": backward}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--element", choices=ELEMENTS, default="f32")
    parser.add_argument("--csv")
    parser.add_argument("filters", nargs="*")
    args = parser.parse_args()
    name = torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    adapter = f"PyTorch {torch.__version__} {name}".replace(",", " ")
    rows = [COLUMNS]
    print(f"{'op':<9} {'':<5} {'n x c x inner':>16} {'ms':>9} {'±':>6} {'GB/s':>7}   {adapter}")
    for layout, n, c, side in cases(args.quick):
        inner = side * side
        names = {op: f"{layout} {n}x{c}x{inner} {op}" for op in TENSORS}
        wanted = [op for op in TENSORS if all(f in names[op] for f in args.filters)]
        if not wanted:
            continue
        x = tensor(layout, n, c, side, args.device, args.element)
        run = passes(x)
        for op in wanted:
            start = time.perf_counter()
            while time.perf_counter() - start < WARM_UP:
                timed(args.device, run[op])
            times = sorted(timed(args.device, run[op]) for _ in range(ROUNDS))
            median = statistics.median(times)
            spread = (times[ROUNDS * 3 // 4] - times[ROUNDS // 4]) / median
            size = x.numel() * x.element_size() * TENSORS[op]
            speed = size / median / 1e6
            print(f"{op:<9} {layout:<5} {f'{n}x{c}x{inner}':>16} {median:>9.3f} {spread:>5.0%} {speed:>7.2f}")
            sys.stdout.flush()
            rows.append(
                f"{adapter},{op},{layout},{args.element},{n},{c},{inner},{size},,{median:.4f},{spread:.4f},{speed:.3f},,,"
            )
    if args.csv:
        with open(args.csv, "w") as file:
            file.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
