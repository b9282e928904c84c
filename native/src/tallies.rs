//! What has become of the calls of each method: plain numbers, asked for when metrics are read.

/// A histogram: how many were at most each bound, and above all of them.
#[derive(Clone)]
pub struct Histogram {
    pub counts: Vec<u64>,
    pub sum: f64,
}

impl Histogram {
    fn new(bounds: &[f64]) -> Self {
        Histogram { counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn add(&mut self, bounds: &[f64], value: f64) {
        self.counts[bounds.partition_point(|bound| *bound < value)] += 1;
        self.sum += value;
    }
}

/// The calls of one method. `codes` are by the numbers of statuses.
#[derive(Clone)]
pub struct Tally {
    pub codes: [u64; crate::grpc::CODES],
    pub milliseconds: Histogram,
    pub received: Histogram,
    pub sent: Histogram,
}

/// One more call that has ended.
pub struct Ended {
    pub code: i32,
    pub milliseconds: f64,
    pub received: usize,
    pub sent: usize,
}

/// The bounds that the histograms of all methods have.
pub struct Bounds {
    pub milliseconds: Vec<f64>,
    pub bytes: Vec<f64>,
}

impl Tally {
    pub fn new(bounds: &Bounds) -> Self {
        Tally {
            codes: [0; crate::grpc::CODES],
            milliseconds: Histogram::new(&bounds.milliseconds),
            received: Histogram::new(&bounds.bytes),
            sent: Histogram::new(&bounds.bytes),
        }
    }

    pub fn add(&mut self, bounds: &Bounds, ended: &Ended) {
        let place = usize::try_from(ended.code).ok().filter(|code| *code < self.codes.len());
        self.codes[place.unwrap_or(2)] += 1; // UNKNOWN
        self.milliseconds.add(&bounds.milliseconds, ended.milliseconds);
        self.received.add(&bounds.bytes, ended.received as f64);
        if ended.code == crate::grpc::OK {
            self.sent.add(&bounds.bytes, ended.sent as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_between_bounds() {
        let bounds = Bounds { milliseconds: vec![1.0, 5.0], bytes: vec![10.0] };
        let mut tally = Tally::new(&bounds);
        for (code, milliseconds, received, sent) in [(0, 1.0, 10, 11), (0, 1.5, 11, 1), (14, 9.0, 0, 0), (99, 0.0, 0, 0)] {
            tally.add(&bounds, &Ended { code, milliseconds, received, sent });
        }
        assert_eq!(tally.milliseconds.counts, [2, 1, 1]);
        assert_eq!((tally.codes[0], tally.codes[14], tally.codes[2]), (2, 1, 1));
        assert_eq!(tally.received.counts, [3, 1]);
        assert_eq!(tally.sent.counts, [1, 1], "of answers alone");
    }
}
