//! The prototype of `detection::spike`: five views with plain statistics. Kept as the standing to beat, number by number equal to its Python original.

/// Memory of levels and spreads, in points.
const LEVEL_MEMORY: f64 = 30_000.0;
/// Memory of a season's cell, in visits.
const CELL_MEMORY: f64 = 15.0;
/// Memory of the volatility view, in points.
const SHORT_MEMORY: f64 = 5.0;
/// Memory of the burstiness view, in points.
const BURST_MEMORY: f64 = 25.0;
/// Most that a view counts.
const VIEW_CAP: f64 = 6.0;
/// Memory of a histogram, in points.
const RANK_MEMORY: f64 = 20_000.0;
/// Bins of a histogram, each 6 % wide, from 1e-6 on.
const BINS: usize = 320;
const BIN_RATIO: f64 = 1.06;
const LEAST: f64 = 1e-6;
/// Points before a histogram says anything.
const RANK_WARM_UP: u32 = 60;
/// Steepness beyond the largest seen.
const TAIL: f64 = 2.0;
/// What an alert raises the bar by, and how fast that is forgotten.
const FATIGUE: f64 = 0.2;
const FATIGUE_MEMORY: f64 = 8_000.0;
/// Surprise from which an alert tires.
const TIRING: f64 = 8.5;
/// Seconds of a season's cell.
const CELL_S: f64 = 3600.0;
const DAY_S: f64 = 86_400.0;

/// Rank of a value among its own past.
#[derive(Clone, Debug)]
struct Conformal {
    weight: f64,
    total: f64,
    seen: u32,
    largest: [f64; 2],
    bins: [Vec<f64>; 2],
}

impl Conformal {
    fn new() -> Self {
        Conformal { weight: 1.0, total: 0.0, seen: 0, largest: [0.0; 2], bins: [vec![0.0; BINS], vec![0.0; BINS]] }
    }

    /// -log10 of the share of the past that was at least as large on the same side.
    fn step(&mut self, value: f64, two_sided: bool) -> f64 {
        let size = value.abs();
        let side = usize::from(two_sided && value < 0.0);
        let bin = (((size.max(LEAST) / LEAST).ln() / BIN_RATIO.ln()) as usize).min(BINS - 1);
        let mut evidence = 0.0;
        if self.seen >= RANK_WARM_UP {
            let beyond = self.bins[side][bin + 1..].iter().sum::<f64>() + 0.5 * self.bins[side][bin];
            evidence = -((beyond / self.weight + 0.5) / (self.total / self.weight + 1.0)).log10();
            if size > self.largest[side] && size > 1e-3 {
                evidence += TAIL * (size / self.largest[side].max(1e-3)).log10();
            }
        }
        self.weight *= 1.0 + 1.0 / RANK_MEMORY;
        self.total += self.weight;
        self.bins[side][bin] += self.weight;
        self.largest[side] = (self.largest[side] * (1.0 - 1.0 / RANK_MEMORY)).max(size);
        if self.weight > 1e100 {
            self.bins.iter_mut().flatten().for_each(|bin| *bin /= self.weight);
            self.total /= self.weight;
            self.weight = 1.0;
        }
        self.seen += 1;
        evidence
    }
}

/// Exponential means of values, one for each cell of a season.
#[derive(Clone, Debug)]
struct Cells {
    mean: Vec<f64>,
    visits: Vec<f64>,
    /// Squared error of the cells as forecasts.
    error: f64,
}

impl Cells {
    fn new(cells: usize) -> Self {
        Cells { mean: vec![0.0; cells], visits: vec![0.0; cells], error: 0.0 }
    }
}

/// One series' state.
#[derive(Clone, Debug)]
pub struct FiveView {
    cell_s: f64,
    hold: u64,
    increases_only: bool,
    cell_memory: f64,
    day: Cells,
    week: Cells,
    yesterday: Vec<f64>,
    ranks: [Conformal; 6],
    points: u64,
    level: f64,
    variance: f64,
    season_spread: f64,
    step_spread: f64,
    yesterday_spread: f64,
    last: f64,
    short_step: f64,
    log_step: f64,
    largest: f64,
    smallest: f64,
    burst: f64,
    peak: f64,
    last_alert: Option<u64>,
    fatigue: f64,
}

/// What a point is found to be.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// 0 while its episode has been told already.
    pub alert: f64,
    /// Sum of the views.
    pub surprise: f64,
    /// Season, range, yesterday, volatility, burstiness.
    pub views: [f64; 5],
}

impl FiveView {
    /// A point every `step_s` seconds; after an alert only an escalation alerts for `hold` points.
    pub fn new(step_s: f64, hold: u64, increases_only: bool) -> Self {
        let cell_s = step_s.max(CELL_S);
        let cells = (DAY_S / cell_s) as usize;
        FiveView {
            cell_s,
            hold,
            increases_only,
            cell_memory: CELL_MEMORY * (cell_s / step_s).max(1.0),
            day: Cells::new(cells),
            week: Cells::new(7 * cells),
            yesterday: vec![0.0; ((DAY_S / step_s).round_ties_even() as usize).max(1)],
            ranks: std::array::from_fn(|_| Conformal::new()),
            points: 0,
            level: 0.0,
            variance: 0.0,
            season_spread: 0.0,
            step_spread: 0.0,
            yesterday_spread: 0.0,
            last: 0.0,
            short_step: 0.0,
            log_step: 0.0,
            largest: 0.0,
            smallest: 0.0,
            burst: 0.0,
            peak: 0.0,
            last_alert: None,
            fatigue: 0.0,
        }
    }

    /// Judges the next point and learns it.
    pub fn step(&mut self, at_s: f64, value: f64) -> Found {
        let i = self.points;
        if i == 0 {
            (self.level, self.last, self.largest, self.smallest) = (value, value, value, value);
        }
        let seen = i as f64 + 1.0;
        let rate = 1.0 / seen.min(LEVEL_MEMORY);
        let hour = (at_s / self.cell_s) as usize % self.day.mean.len();
        let week_hour = (at_s / self.cell_s) as usize % self.week.mean.len();
        let off_level = value - self.level;
        let mut forecast = self.level;
        let mut least_error = self.variance;
        if self.day.visits[hour] > 0.0 && self.day.error < least_error {
            (forecast, least_error) = (self.day.mean[hour], self.day.error);
        }
        if self.week.visits[week_hour] > 0.0 && self.week.error < least_error {
            forecast = self.week.mean[week_hour];
        }
        let residual = value - forecast;
        for (cells, cell) in [(&mut self.day, hour), (&mut self.week, week_hour)] {
            let error = value - cells.mean[cell];
            let squared = if cells.visits[cell] > 0.0 { error * error } else { 1.5 * off_level * off_level };
            cells.error += rate * (squared - cells.error);
        }
        let step = value - self.last;
        let (mut season, mut first_step) = (0.0, 0.0);
        if i > 5 {
            season = residual / (self.season_spread.sqrt() + 1e-9);
            first_step = step / (self.step_spread.sqrt() + 1e-9);
        }
        let squared_step = step * step;
        self.short_step += (squared_step - self.short_step) / seen.min(SHORT_MEMORY);
        let log_step = (self.short_step + 1e-6 * self.step_spread + 1e-12).ln();
        if i == 3 {
            self.log_step = log_step;
        }
        let mut volatility = 0.0;
        if i > 3 {
            volatility = log_step - self.log_step;
            self.log_step += rate * volatility;
        }
        let range = self.largest - self.smallest;
        let mut beyond = 0.0;
        if i > 5 && range > 0.0 {
            beyond = ((value - self.largest).max(0.0) - (self.smallest - value).max(0.0)) / range;
        }
        let mut since_yesterday = 0.0;
        let slot = (i % self.yesterday.len() as u64) as usize;
        if i >= self.yesterday.len() as u64 {
            let difference = value - self.yesterday[slot];
            since_yesterday = difference / (self.yesterday_spread.sqrt() + 1e-9);
            self.yesterday_spread += rate * (difference * difference - self.yesterday_spread);
        }
        self.yesterday[slot] = value;
        self.largest = self.largest.max(value);
        self.smallest = self.smallest.min(value);
        self.level += rate * off_level;
        self.variance += rate * (off_level * (value - self.level) - self.variance);
        self.step_spread += rate * (squared_step - self.step_spread);
        self.season_spread += rate * (residual * residual - self.season_spread);
        for (cells, cell) in [(&mut self.day, hour), (&mut self.week, week_hour)] {
            cells.visits[cell] += 1.0;
            cells.mean[cell] += (value - cells.mean[cell]) / cells.visits[cell].min(self.cell_memory);
        }
        self.last = value;

        let statistics = [season, beyond, since_yesterday, volatility, first_step];
        let mut evidence = [0.0; 5];
        for (view, statistic) in statistics.into_iter().enumerate() {
            evidence[view] = self.ranks[view].step(statistic, true);
            if self.increases_only && view != 3 && statistic < 0.0 {
                evidence[view] = 0.0;
            }
        }
        let point = evidence[0] + evidence[4];
        self.burst += (point - self.burst) / seen.min(BURST_MEMORY);
        evidence[4] = self.ranks[5].step(self.burst, false);
        let views = evidence.map(|evidence| evidence.min(VIEW_CAP));
        let surprise = views.iter().sum();
        Found { alert: self.episode(surprise), surprise, views }
    }

    fn episode(&mut self, surprise: f64) -> f64 {
        self.fatigue *= (-1.0 / FATIGUE_MEMORY).exp();
        let rested = surprise - self.fatigue;
        let mut alert = 0.0;
        if self.last_alert.is_none_or(|last| self.points - last > self.hold) {
            self.peak = 0.0;
        }
        if rested > self.peak && rested > 0.0 {
            alert = rested;
            if rested > TIRING {
                self.fatigue += FATIGUE * if self.peak <= TIRING { 1.0 } else { 0.3 };
            }
            self.peak = rested;
            self.last_alert = Some(self.points);
        }
        self.points += 1;
        alert
    }
}
