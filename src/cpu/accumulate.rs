//! Sums over a channel: runs of values in `f32`, in loops that vectorise, joined in `f64`.

/// Accumulators side by side: enough for the widest vectors of today.
pub const LANES: usize = 16;
/// Values that are summed in `f32` before the sum moves on to `f64`.
const RUN: usize = 256;
/// So many values, or as many as there were before, are summed about a pivot until there is another: to find it takes
/// as long as to sum a hundred, and the first may be of values that are not like the others.
const A_PIVOT: f64 = 4096.0;

/// Count, mean and Σ(x − mean)² of some values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    pub count: f64,
    pub mean: f64,
    pub m2: f64,
}

impl Moments {
    /// Chan, Golub and LeVeque's update.
    pub fn merge(self, other: Self) -> Self {
        if self.count == 0.0 || other.count == 0.0 {
            return if self.count == 0.0 { other } else { self };
        }
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        let mean = self.mean + delta * other.count / count;
        let m2 = self.m2 + other.m2 + delta * delta * self.count * other.count / count;
        Self { count, mean, m2 }
    }
}

/// What rounding took from a mean, times what multiplies it. Nothing where that is no number, so that
/// an infinity stays one.
pub fn taken(remainder: f64, factor: f64) -> f64 {
    let product = remainder * factor;
    if product.is_finite() { product } else { 0.0 }
}

/// Σdy and Σdy·(x − mean) of some values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub dy: f64,
    pub dy_x: f64,
}

impl Sums {
    /// Of Σdy and Σdy·(x − rounded mean), without what rounding took from the mean.
    pub fn corrected(dy: f64, dy_x: f64, remainder: f32) -> Self {
        Self { dy, dy_x: dy_x - taken(remainder as f64, dy) }
    }

    pub fn add(self, other: Self) -> Self {
        Self { dy: self.dy + other.dy, dy_x: self.dy_x + other.dy_x }
    }
}

/// Two sums of a run.
#[derive(Clone, Copy, Default)]
struct Run {
    count: usize,
    first: [f32; LANES],
    second: [f32; LANES],
}

impl Run {
    #[inline(always)]
    fn takes(&self, more: usize) -> bool {
        self.count + more <= RUN
    }

    /// The lane of the next value that fills no whole chunk. Segments that are shorter than the lanes
    /// are many, and would make long chains of the first few.
    #[inline(always)]
    fn lane(&self, k: usize) -> usize {
        (self.count + k) % LANES
    }

    #[inline(always)]
    fn totals(&self) -> (f64, f64) {
        let sum = |lanes: &[f32; LANES]| {
            let mut four = [0f64; 4];
            for lanes in lanes.chunks_exact(4) {
                for k in 0..4 {
                    four[k] += lanes[k] as f64;
                }
            }
            (four[0] + four[1]) + (four[2] + four[3])
        };
        (sum(&self.first), sum(&self.second))
    }
}

/// The moments of a channel, value by value. The pivot is the mean so far: what it is off by enters the
/// result in `f64`, and is small against the spread of the values.
#[derive(Clone, Copy, Default)]
pub struct MomentsOf {
    total: Moments,
    pivot: f32,
    /// Values about this pivot that have moved on to `f64`: how many, deviations, their squares.
    about_pivot: [f64; 3],
    run: Run,
}

impl MomentsOf {
    #[inline(always)]
    pub fn add(&mut self, segment: &[f32]) {
        for values in segment.chunks(RUN) {
            if !self.run.takes(values.len()) {
                self.end_run();
            }
            let [count, ..] = self.about_pivot;
            let known = count as usize + self.run.count;
            // The mean of a first short segment is no good pivot for long.
            let first = self.total.count == 0.0 && known >= LANES;
            let more = self.total.count > 0.0 && count >= A_PIVOT.min(self.total.count);
            if first || more {
                let total = self.finish();
                *self = Self { total, pivot: total.mean as f32, ..Self::default() };
            } else if self.total.count == 0.0 && known == 0 {
                let sum: f64 = values.iter().map(|&v| v as f64).sum();
                self.pivot = (sum / values.len() as f64) as f32;
            }
            self.add_run(values);
        }
    }

    #[inline(always)]
    fn end_run(&mut self) {
        let (sum, squares) = self.run.totals();
        let [count, sums, all_squares] = self.about_pivot;
        self.about_pivot = [count + self.run.count as f64, sums + sum, all_squares + squares];
        self.run = Run::default();
    }

    #[inline(always)]
    fn add_run(&mut self, values: &[f32]) {
        let (pivot, run) = (self.pivot, &mut self.run);
        let mut chunks = values.chunks_exact(LANES);
        for chunk in &mut chunks {
            for (k, v) in chunk.iter().enumerate() {
                let d = v - pivot;
                run.first[k] += d;
                run.second[k] += d * d;
            }
        }
        // Apart, so that the loop above has a length that compilers know.
        for (k, v) in chunks.remainder().iter().enumerate() {
            let (d, lane) = (v - pivot, run.lane(k));
            run.first[lane] += d;
            run.second[lane] += d * d;
        }
        run.count += values.len();
    }

    #[inline(always)]
    pub fn finish(mut self) -> Moments {
        self.end_run();
        let [count, sum, squares] = self.about_pivot;
        if count == 0.0 {
            return self.total;
        }
        let (mean, m2) = (self.pivot as f64 + sum / count, squares - sum * sum / count);
        self.total.merge(Moments { count, mean, m2 })
    }
}

/// The sums of a channel for the backward pass.
#[derive(Clone, Copy)]
pub struct SumsOf {
    center: (f32, f32),
    total: Sums,
    run: Run,
}

impl SumsOf {
    /// Around a mean and what rounding took from it.
    pub fn around(center: (f32, f32)) -> Self {
        Self { center, total: Sums::default(), run: Run::default() }
    }

    #[inline(always)]
    pub fn add(&mut self, x: &[f32], dy: &[f32]) {
        for (x, dy) in x.chunks(RUN).zip(dy.chunks(RUN)) {
            if !self.run.takes(x.len()) {
                *self = Self { total: self.finish(), run: Run::default(), ..*self };
            }
            self.add_run(x, dy);
        }
    }

    #[inline(always)]
    fn add_run(&mut self, x: &[f32], dy: &[f32]) {
        let (mean, run) = (self.center.0, &mut self.run);
        let (mut x_chunks, mut dy_chunks) = (x.chunks_exact(LANES), dy.chunks_exact(LANES));
        for (x, dy) in (&mut x_chunks).zip(&mut dy_chunks) {
            for k in 0..LANES {
                run.first[k] += dy[k];
                run.second[k] += dy[k] * (x[k] - mean);
            }
        }
        let rest = x_chunks.remainder().iter().zip(dy_chunks.remainder());
        for (k, (x, dy)) in rest.enumerate() {
            let lane = run.lane(k);
            run.first[lane] += dy;
            run.second[lane] += dy * (x - mean);
        }
        run.count += x.len();
    }

    #[inline(always)]
    pub fn finish(self) -> Sums {
        let (dy, dy_x) = self.run.totals();
        self.total.add(Sums::corrected(dy, dy_x, self.center.1))
    }
}
