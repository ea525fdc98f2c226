//! Numbers that look random and are the same for the same run.

/// Steele, Lea and Flood's `SplitMix64`.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a target's run.
    pub fn new(target: &str, run: u64) -> Self {
        let mut random = Self(run);
        for byte in target.bytes() {
            random.0 = random.next() ^ u64::from(byte);
        }
        random
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap();
        usize::try_from(self.next() % limit).unwrap()
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// How often to mutate: mostly once or twice, sometimes many times.
    pub fn rounds(&mut self) -> usize {
        if self.once_in(6) {
            1 + self.below(24)
        } else {
            1 + self.below(3)
        }
    }
}
