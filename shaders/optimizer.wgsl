// Formula: a step of γ or β (θ) by its gradient g, as torch.optim defines them, λ the weight decay:
//   gradient descent  g += λ·θ;  b ← μ·b + (1 − dampening)·g, at first b ← g;
//                     θ −= lr·b, or, Nesterov, θ −= lr·(g + μ·b); μ = 0: θ −= lr·g
//   RMSProp           g += λ·θ;  v ← α·v + (1 − α)·g²;  b ← μ·b + g/(√v + ε);  θ −= lr·b
//                     μ = 0: θ −= lr·g/(√v + ε)
//   Adam              g += λ·θ;  m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;
//                     θ −= lr/(1 − β₁ᵗ)·m/(√v/√(1 − β₂ᵗ) + ε)
//   AdamW             θ −= lr·λ·θ, then Adam with λ = 0
//   (D. Kingma, J. Ba, "Adam", 2014; I. Loshchilov, F. Hutter, "Decoupled weight decay", 2017)
// A workgroup owns, reads and writes: the optimizer's rows of its channels.
// Needs: params.wgsl, a file of numbers, a mapping file, settings.wgsl, exponential.wgsl.

const RULE_GRADIENT_DESCENT = 0u;
const RULE_RMS_PROP = 1u;
const RULE_ADAM = 2u;
const RULE_ADAM_W = 3u;

// 1 − β^steps; from the logarithm, since a difference of 1 and an f32 near 1 has few digits.
fn bias_correction(log_decay: f32, steps: vec4f) -> vec4f {
    // Beyond 60 it is 1, and the exponential still finite.
    let shrunk = exp_minus_one(min(-log_decay * steps, vec4f(60.0)));
    return shrunk / (shrunk + 1.0);
}

// decay·a + rate·b, the two adding up to 1: by the smaller, since the f32 of 0.999 would be off by
// a hundred thousandth of the other, and the average with it.
fn blend(a: vec4f, b: vec4f, decay: f32, rate: f32) -> vec4f {
    if rate < 0.5 {
        return a + rate * (b - a);
    }
    return b - decay * (b - a);
}

fn step(p: Place, row: u32, first_row: u32, second_row: u32, gradient: vec4f, steps: vec4f) {
    let rule = state_word(ROW_SETTINGS, SETTING_RULE);
    let rate = setting(SETTING_LEARNING_RATE);
    let decay = setting(SETTING_WEIGHT_DECAY);
    let epsilon = setting(SETTING_EPSILON);
    let first_decay = setting(SETTING_FIRST_DECAY);
    let first_rate = setting(SETTING_FIRST_RATE);
    var value = state_row(row, p);
    var first = state_row(first_row, p);
    var second = state_row(second_row, p);
    var g = gradient;
    if rule == RULE_ADAM_W {
        value -= (rate * decay) * value;
    } else {
        g += decay * value;
    }
    // What a rule has no use for stays as it is: there no infinite gradient outlives its step.
    if rule != RULE_GRADIENT_DESCENT {
        second = blend(second, g * g, setting(SETTING_SECOND_DECAY), setting(SETTING_SECOND_RATE));
    }
    switch rule {
        case RULE_GRADIENT_DESCENT: {
            if first_decay != 0.0 {
                first = select(first_decay * first + first_rate * g, g, steps == vec4f(1.0));
                g = select(first, g + first_decay * first, setting(SETTING_NESTEROV) != 0.0);
            }
            value -= rate * g;
        }
        case RULE_RMS_PROP: {
            g /= sqrt(second) + epsilon;
            if first_decay != 0.0 {
                first = first_decay * first + g;
                g = first;
            }
            value -= rate * g;
        }
        default: {
            first = blend(first, g, first_decay, first_rate);
            let first_correction = bias_correction(setting(SETTING_FIRST_LOG), steps);
            let second_correction = bias_correction(setting(SETTING_SECOND_LOG), steps);
            let scale = sqrt(second) / sqrt(second_correction) + epsilon;
            value -= (rate / first_correction) * (first / scale);
        }
    }
    set_state_row(row, p, value);
    set_state_row(first_row, p, first);
    set_state_row(second_row, p, second);
}
