//! Results against expected values.

/// How far a value may be from the one that is expected: absolute + relative·|expected|.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    pub absolute: f64,
    pub relative: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { absolute: 1e-5, relative: 1e-5 }
    }
}

impl Tolerance {
    fn accepts(self, have: f64, want: f64) -> bool {
        let error = error(have, want);
        // A bound of infinity, as an infinite `want` has, would accept everything.
        error == 0.0 || (want.is_finite() && error <= self.absolute + self.relative * want.abs())
    }
}

/// What a comparison found.
pub struct Comparison {
    /// Largest |result − expected|; infinite where only one of them is finite.
    pub largest_absolute: f64,
    /// Largest |result − expected|/|expected| where something else than 0 is expected.
    pub largest_relative: f64,
    values: usize,
    misses: usize,
    first_miss: Option<Miss>,
    tolerance: Tolerance,
}

struct Miss {
    index: usize,
    have: f64,
    want: f64,
}

/// Compares values that are in the same order.
pub fn compare(have: &[f64], want: &[f64], tolerance: Tolerance) -> Comparison {
    let mut comparison = Comparison {
        largest_absolute: 0.0,
        largest_relative: 0.0,
        values: want.len(),
        misses: 0,
        first_miss: None,
        tolerance,
    };
    for (index, (&have, &want)) in have.iter().zip(want).enumerate() {
        let absolute = error(have, want);
        let relative = if absolute.is_finite() { absolute / want.abs() } else { absolute };
        comparison.largest_absolute = comparison.largest_absolute.max(absolute);
        if want != 0.0 {
            // `max` passes over the NaN of a NaN that was expected.
            comparison.largest_relative = comparison.largest_relative.max(relative);
        }
        if !tolerance.accepts(have, want) {
            comparison.misses += 1;
            comparison.first_miss.get_or_insert(Miss { index, have, want });
        }
    }
    comparison
}

impl Comparison {
    /// What missed, to be read after a tensor's name; `None` if nothing did.
    pub fn describe_misses(&self) -> Option<String> {
        let Miss { index, have, want } = self.first_miss.as_ref()?;
        let Tolerance { absolute, relative } = self.tolerance;
        Some(format!(
            "misses {} of {} expected values by more than {absolute:e} + {relative:e}·|expected|, \
             the first at [{index}]: {:?} instead of {:?}",
            self.misses, self.values, *have as f32, *want as f32
        ))
    }
}

/// |have − want|: 0 for the same infinity or two NaNs, infinite where only one is finite.
fn error(have: f64, want: f64) -> f64 {
    if have == want || (have.is_nan() && want.is_nan()) {
        return 0.0;
    }
    let difference = (have - want).abs();
    if difference.is_nan() { f64::INFINITY } else { difference }
}
