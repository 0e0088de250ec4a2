// Formula: dx and dresidual of a pair of quads (../gradient_input.wgsl).
// A workgroup owns: its channels. Reads: nothing. Writes: dx, dresidual.
// Needs: params.wgsl, tensor/pairs.wgsl, gradient_input.wgsl, pairs/gradient_sums.wgsl.

fn store_gradients(i: u32, g: PairGradient, low: InputGradient, high: InputGradient) {
    if DX {
        store_dx(i, Pair(
            input_gradient_of(Gradient(g.dz.low, g.deviation.low), low),
            input_gradient_of(Gradient(g.dz.high, g.deviation.high), high),
        ));
    }
    if DRESIDUAL {
        store_dresidual(i, g.dz);
    }
}
