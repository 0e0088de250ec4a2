use wgpu_batchnorm::*;
fn data(n: u64, seed: u32, mean: f32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| {
            let mut h = (i ^ seed.wrapping_mul(0x9E3779B9)).wrapping_mul(0x85ebca6b);
            h ^= h >> 13;
            h = h.wrapping_mul(0xc2b2ae35);
            h ^= h >> 16;
            let mut g = h.wrapping_mul(0x27d4eb2f);
            g ^= g >> 15;
            mean + ((h >> 8) as f32 + (g >> 8) as f32) / (1 << 24) as f32 - 1.0
        })
        .collect()
}
#[test]
fn smoke() {
    let ctx = Context::new().unwrap();
    let bn = BatchNorm::new(ctx.device(), &BatchNormDescriptor::default()).unwrap();
    for shape in [
        Shape::nc(32, 64),
        Shape::nchw(4, 3, 7, 7),
        Shape::nchw(4, 8, 8, 8),
        Shape::nchw(2, 3, 1, 5),
        Shape::channels_last(100, 5),
        Shape::channels_last(1000, 64),
        Shape::nchw(8, 2, 64, 64),
        Shape::nchw(1, 1, 1, 100001),
        Shape::ncl(2, 1000, 16),
    ] {
        let c = shape.channels();
        let state = State::new(ctx.device(), c);
        let (x, dy) = (data(shape.elements(), 1, 3.0), data(shape.elements(), 2, 0.0));
        let gamma = data(c as u64, 3, 1.5);
        let beta = data(c as u64, 4, 0.0);
        state.set(ctx.queue(), Row::Gamma, &gamma).unwrap();
        state.set(ctx.queue(), Row::Beta, &beta).unwrap();
        let xb = ctx.upload(&x).unwrap();
        let dyb = ctx.upload(&dy).unwrap();
        let y = ctx.zeros(shape.elements()).unwrap();
        let dx = ctx.zeros(shape.elements()).unwrap();
        let f = bn
            .bind_training(
                ctx.device(),
                &state,
                shape,
                Training { x: (&xb).into(), y: (&y).into(), momentum: Momentum::Exponential(0.1) },
            )
            .unwrap();
        let b = bn
            .bind_backward(ctx.device(), &f, Backward { dy: (&dyb).into(), dx: (&dx).into() })
            .unwrap();
        ctx.run(|e| {
            f.encode(e);
            b.encode(e);
        });
        let stats = reference::statistics(shape, &x);
        let aff = reference::AffineParams { gamma: Some(&gamma), beta: Some(&beta) };
        let want = reference::normalize(shape, &x, &stats, 1e-5, aff);
        let g = reference::backward(shape, &x, &dy, &stats, false, 1e-5, aff);
        let err = |got: Vec<f32>, want: &[f64]| {
            got.iter()
                .zip(want)
                .map(|(a, b)| (*a as f64 - b).abs())
                .fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a })
        };
        let dl = |r: BufferRange| ctx.download(&r).unwrap();
        println!(
            "{shape} y {:.1e} mean {:.1e} inv_std {:.1e} rm {:.1e} rv {:.1e} dx {:.1e} dg {:.1e} db {:.1e}",
            err(dl((&y).into()), &want),
            err(dl(f.saved(Saved::Mean).unwrap()), &stats.mean),
            err(
                dl(f.saved(Saved::InvStd).unwrap()),
                &stats.variance.iter().map(|v| reference::inv_std(*v, 1e-5)).collect::<Vec<_>>()
            ),
            err(
                dl(state.range(Row::RunningMean)),
                &stats.mean.iter().map(|v| v * 0.1).collect::<Vec<_>>()
            ),
            err(
                dl(state.range(Row::RunningVar)),
                &stats
                    .variance
                    .iter()
                    .map(|v| 0.9 + 0.1 * v * shape.count() as f64 / (shape.count() as f64 - 1.0))
                    .collect::<Vec<_>>()
            ),
            err(dl((&dx).into()), &g.dx),
            err(dl(state.range(Row::DGamma)), &g.dgamma),
            err(dl(state.range(Row::DBeta)), &g.dbeta)
        );
    }
}
