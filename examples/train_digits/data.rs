//! The digits, split for training and testing, and a small random generator.

use std::error::Error;

/// Of an image.
pub const PIXELS: u32 = 64;
/// The ten digits.
pub const CLASSES: u32 = 10;

/// Images, of [`PIXELS`] values from 0 to 1, and what they show.
#[derive(Default)]
pub struct Digits {
    pub images: Vec<f32>,
    pub labels: Vec<u32>,
}

impl Digits {
    /// How many there are.
    pub fn len(&self) -> u32 {
        self.labels.len() as u32
    }
}

/// All digits in random order: the first four fifths for training, the others for testing.
pub fn load(random: &mut Random) -> Result<(Digits, Digits), Box<dyn Error>> {
    let csv = include_str!("../data/digits.csv");
    let mut rows = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::parse).collect())
        .collect::<Result<Vec<Vec<u32>>, _>>()?;
    random.shuffle(&mut rows);
    let (train, test) = rows.split_at(rows.len() * 4 / 5);
    Ok((digits(train)?, digits(test)?))
}

fn digits(rows: &[Vec<u32>]) -> Result<Digits, String> {
    let mut digits = Digits::default();
    for row in rows {
        match row.split_last() {
            Some((&label, pixels)) if label < CLASSES && pixels.len() == PIXELS as usize => {
                digits.images.extend(pixels.iter().map(|&p| p as f32 / 16.0));
                digits.labels.push(label);
            }
            _ => return Err(format!("digits.csv: not an image and a label: {row:?}")),
        }
    }
    Ok(digits)
}

/// Random numbers, the same for the same seed: a 64-bit counter, hashed.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut hash = self.0;
        for _ in 0..2 {
            hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        }
        (hash >> 32) as u32
    }

    /// Uniform between −`limit` and `limit`.
    pub fn symmetric(&mut self, limit: f32) -> f32 {
        limit * (self.next() as i32 as f32 / 2f32.powi(31))
    }

    /// Fisher and Yates' shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = (self.next() as u64 * (i as u64 + 1)) >> 32;
            items.swap(i, j as usize);
        }
    }
}
