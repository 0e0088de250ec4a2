// Formula: with dz = dy·act'(z), Σdz and Σdz·(x − mean) of a channel; dβ = Σdz,
// dγ = r·inv_std·Σdz·(x − mean) + d·Σdz (r = 1 and d = 0 but for batch renormalization).
// A workgroup owns: its channels. Reads: saved or running statistics. Writes: nothing.
// Needs: params.wgsl, a mapping file, an activation file, normalize.wgsl.

// What the forward pass normalised with.
struct Statistics {
    affine: Affine,
    inv_std: vec4f,
}

fn statistics(p: Place) -> Statistics {
    if FROZEN {
        return Statistics(running_affine(p), running_inv_std(p));
    }
    let a = Affine(
        work_row(ROW_PIVOT, p),
        work_row(ROW_REMAINDER, p),
        work_row(ROW_SCALE, p),
        work_row(ROW_SHIFT, p),
    );
    return Statistics(a, work_row(ROW_INV_STD, p));
}

// dz, and x − pivot.
struct Gradient {
    dz: vec4f,
    deviation: vec4f,
}

// Whether dz or the sums ask for x: dx alone, through constants, does not.
fn needs_x() -> bool {
    return !FROZEN || AFFINE || !IS_IDENTITY;
}

fn gradient(x_value: vec4f, dy_value: vec4f, residual_value: vec4f, a: Affine) -> Gradient {
    let deviation = x_value - a.pivot;
    var dz = dy_value;
    if !IS_IDENTITY {
        dz *= activation_slope(before_activation(deviation - a.remainder, residual_value, a));
    }
    return Gradient(dz, deviation);
}

// In the rows mapping the components are parts of one sum.
struct Sums {
    dz: vec4f,
    dz_x: vec4f,
}

fn add(a: Sums, b: Sums) -> Sums {
    return Sums(a.dz + b.dz, a.dz_x + b.dz_x);
}

// Of a channel, in every component, whatever these had.
fn whole(s: Sums) -> Sums {
    return Sums(across(s.dz), across(s.dz_x));
}

// About the mean, not the pivot: what that is off it, times all dz, may be much more than their sum.
fn sums_of_one(g: Gradient, a: Affine) -> Sums {
    return Sums(g.dz, g.dz * (g.deviation - a.remainder));
}
