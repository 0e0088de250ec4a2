use super::moments::sum_deviations;
use super::sums::add_gradients;
use super::write::{Turn, Turns, differentiate_range, normalize_range};

/// Values that no sum of is exact.
fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|k| ((k * 7919 + seed * 104_729) % 9_973) as f32 / 997.3 - 4.7).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

const COLUMNS: usize = 77;

/// A single column leaves nothing to put into vectors.
#[test]
fn vectors_change_no_bit_of_a_sum() {
    let x: [Vec<f32>; 8] = std::array::from_fn(|row| values(COLUMNS, row));
    let dy: [Vec<f32>; 8] = std::array::from_fn(|row| values(COLUMNS, 9 + row));
    let means = values(COLUMNS, 20);
    let of = |columns: std::ops::Range<usize>| {
        let x = x.each_ref().map(|row| &row[columns.clone()]);
        let dy = dy.each_ref().map(|row| &row[columns.clone()]);
        let mut sums = vec![vec![0f32; columns.len()]; 4];
        let [deviations, squares, gradients, products] = &mut sums[..] else { unreachable!() };
        sum_deviations(x, &means[columns.clone()], deviations, squares);
        add_gradients(x, dy, &means[columns], gradients, products);
        sums.iter().map(|sums| bits(sums)).collect::<Vec<_>>()
    };
    let all = of(0..COLUMNS);
    for k in 0..COLUMNS {
        for (of_all, of_one) in all.iter().zip(of(k..k + 1)) {
            assert_eq!(of_all[k], of_one[0], "column {k}");
        }
    }
}

/// In streams, in turns, and in what is left of both: each value by what is known of its column.
#[test]
fn each_value_is_written_once() {
    for (columns, count) in
        [(1, 9), (5, 5), (5, 33), (77, 77 * 9 + 3), (128, 128 * 8), (300, 300 * 7 + 299), (513, 12)]
    {
        let (x, dy) = (values(count, 1), values(count, 2));
        let [mean, scale, offset, slope] = [3, 4, 5, 6].map(|seed| values(columns, seed));
        let (mut y, mut dx) = (vec![f32::NAN; count], vec![f32::NAN; count]);
        normalize_range(&x, &mut y, &mean, &scale, &offset);
        differentiate_range(&x, &dy, &mut dx, &mean, &scale, &offset, &slope);
        let of = |k: usize| (k % columns, x[k], dy[k]);
        let want_y = |k| {
            let (c, x, _) = of(k);
            (x - mean[c]) * scale[c] + offset[c]
        };
        let want_dx = |k| {
            let (c, x, dy) = of(k);
            scale[c] * ((dy - offset[c]) - (x - mean[c]) * slope[c])
        };
        assert_eq!(bits(&y), bits(&(0..count).map(want_y).collect::<Vec<_>>()), "{columns}");
        assert_eq!(bits(&dx), bits(&(0..count).map(want_dx).collect::<Vec<_>>()), "{columns}");
    }
}

#[test]
fn streams_take_turns_row_by_row() {
    // Eight rows of 300 columns, and 7 values: two streams of four rows each.
    let [streams, left] = Turns::over(8 * 300 + 7, 300, 2);
    let turns = |turns: Turns| -> Vec<_> {
        turns.map(|Turn { value, column, count }| (value, column, count)).collect()
    };
    let first = [(0, 0, 128), (1_200, 0, 128), (128, 128, 128), (1_328, 128, 128), (256, 256, 44)];
    let of_streams = turns(streams);
    assert_eq!(of_streams[..5], first);
    assert_eq!(of_streams.last(), Some(&(2_356, 256, 44)));
    assert_eq!(turns(left), [(2_400, 0, 7)]);
}
