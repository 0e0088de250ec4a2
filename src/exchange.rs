//! How the parts of a batch on several devices tell each other what they found.

#[cfg(not(target_arch = "wasm32"))]
use crate::Context;
use crate::{Error, Parts};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Gives every part's words to every part: the one thing that synchronized batch norm asks of whatever
/// connects its devices.
pub trait Exchange {
    /// Gives away this part's words, and returns those of all parts, in their order; as many of each.
    /// All parts call it equally often. Blocks until all have.
    ///
    /// # Errors
    /// [`Error::Exchange`], if another part is gone or does not answer.
    fn all_gather(&mut self, own: &[u32]) -> Result<Vec<Vec<u32>>, Error>;
}

/// An exchange between the threads of a program.
#[derive(Debug)]
pub struct LocalExchange {
    shared: Arc<Shared>,
    part: usize,
    timeout: Duration,
}

#[derive(Debug)]
struct Shared {
    round: Mutex<Round>,
    changed: Condvar,
}

#[derive(Debug)]
struct Round {
    number: u64,
    given: Vec<Option<Vec<u32>>>,
    /// What the round before gathered.
    gathered: Arc<Vec<Vec<u32>>>,
    /// A part has gone, so that no round will end.
    broken: bool,
}

impl LocalExchange {
    /// One for each of `parts` parts, in their order.
    pub fn group(parts: usize) -> Vec<Self> {
        let round =
            Round { number: 0, given: vec![None; parts], gathered: Arc::default(), broken: false };
        let shared = Arc::new(Shared { round: Mutex::new(round), changed: Condvar::new() });
        let timeout = Duration::from_secs(60);
        (0..parts).map(|part| Self { shared: shared.clone(), part, timeout }).collect()
    }

    /// Sets how long it waits for the other parts; 60 s at first.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Round> {
        self.shared.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange for LocalExchange {
    fn all_gather(&mut self, own: &[u32]) -> Result<Vec<Vec<u32>>, Error> {
        let deadline = Instant::now() + self.timeout;
        let mut round = self.lock();
        let number = round.number;
        round.given[self.part] = Some(own.to_vec());
        if round.given.iter().all(Option::is_some) {
            let gathered: Vec<_> = round.given.iter_mut().filter_map(Option::take).collect();
            round.gathered = Arc::new(gathered);
            round.number += 1;
            self.shared.changed.notify_all();
        }
        while round.number == number {
            let left = deadline.saturating_duration_since(Instant::now());
            if round.broken || left.is_zero() {
                let reason = if round.broken { "another part has gone" } else { "timed out" };
                round.broken = true;
                self.shared.changed.notify_all();
                return Err(Error::Exchange(reason.into()));
            }
            let waited = self.shared.changed.wait_timeout(round, left);
            round = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(round.gathered.to_vec())
    }
}

impl Drop for LocalExchange {
    fn drop(&mut self) {
        let mut round = self.lock();
        round.broken = true;
        self.shared.changed.notify_all();
    }
}

impl Parts {
    /// Exchanges moments: downloads those of part `own`, which must have been submitted, and uploads
    /// those of the others, before whatever is submitted next. Blocks.
    ///
    /// # Errors
    /// [`Error::NoSuchPart`]; those of the exchange; [`Error::Exchange`] if it gives anything else than
    /// as many words for each part; those of [`Context::download`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn exchange_moments(
        &self,
        context: &Context,
        own: u32,
        exchange: &mut dyn Exchange,
    ) -> Result<(), Error> {
        self.exchange(context, own, exchange, Self::moments)
    }

    /// Exchanges sums, as [`exchange_moments`](Self::exchange_moments) moments.
    ///
    /// # Errors
    /// As [`exchange_moments`](Self::exchange_moments).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn exchange_sums(
        &self,
        context: &Context,
        own: u32,
        exchange: &mut dyn Exchange,
    ) -> Result<(), Error> {
        self.exchange(context, own, exchange, Self::sums)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn exchange(
        &self,
        context: &Context,
        own: u32,
        exchange: &mut dyn Exchange,
        range: impl Fn(&Self, u32) -> Option<crate::BufferRange>,
    ) -> Result<(), Error> {
        let no_such = || Error::NoSuchPart { part: own, parts: self.count() };
        let words = context.download_words(range(self, own).ok_or_else(no_such)?)?;
        let all = exchange.all_gather(&words)?;
        if all.len() != self.count() as usize || all.iter().any(|part| part.len() != words.len()) {
            return Err(Error::Exchange(
                "what came back is not a part's words for each part".into(),
            ));
        }
        for (part, words) in (0..self.count()).zip(&all) {
            if let Some(range) = range(self, part).filter(|_| part != own) {
                let bytes = bytemuck::cast_slice(words);
                context.queue().write_buffer(range.buffer(), range.offset(), bytes);
            }
        }
        Ok(())
    }
}
