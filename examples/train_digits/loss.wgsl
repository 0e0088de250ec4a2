// Formula: p = softmax(logits); loss = −log p[label]; its gradient, for the mean over the batch,
// dlogits = (p − onehot(label)) / batch; tally += (Σ loss, samples whose largest logit is label's)
// A workgroup owns: the whole batch; there is one, so that adding to the tally needs no atomics.
// Reads: labels, logits. Writes: dlogits, tally.

const CLASSES = 10u;
const THREADS = 64u;

@group(0) @binding(0) var<storage, read> labels: array<u32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(3) var<storage, read_write> tally: vec2f;

var<workgroup> parts: array<vec2f, THREADS>;

@compute @workgroup_size(THREADS)
fn loss(@builtin(local_invocation_index) thread: u32) {
    let batch = arrayLength(&labels);
    var part = vec2f();
    for (var n = thread; n < batch; n += THREADS) {
        let first = n * CLASSES;
        let label = labels[n];
        // If all logits are NaN, the first class counts as the answer, right one time in ten.
        var answer = 0u;
        for (var k = 1u; k < CLASSES; k++) {
            if logits[first + k] > logits[first + answer] {
                answer = k;
            }
        }
        // No exponent is above 0, so that no exponential overflows.
        let largest = logits[first + answer];
        var total = 0.0;
        for (var k = 0u; k < CLASSES; k++) {
            total += exp(logits[first + k] - largest);
        }
        for (var k = 0u; k < CLASSES; k++) {
            let p = exp(logits[first + k] - largest) / total;
            dlogits[first + k] = (p - f32(k == label)) / f32(batch);
        }
        part += vec2f(log(total) + largest - logits[first + label], f32(answer == label));
    }
    parts[thread] = part;
    workgroupBarrier();
    if thread == 0u {
        for (var i = 1u; i < THREADS; i++) {
            part += parts[i];
        }
        tally += part;
    }
}
