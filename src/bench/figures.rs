use crate::outcome::say;
use std::time::{Duration, Instant};

/// Collects figures and prints them as they come.
pub struct Figures {
    json: bool,
    rows: Vec<serde_json::Value>,
}

/// Latencies of one run, and how long it took.
pub struct Run {
    pub events: u64,
    pub took: Duration,
    pub latencies: Vec<Duration>,
}

impl Run {
    pub fn per_second(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }

    /// The latency that so many of a hundred stay below.
    pub fn percentile(&mut self, of_hundred: f64) -> Duration {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        let at = (self.latencies.len() as f64 * of_hundred / 100.0) as usize;
        self.latencies
            .get(at.min(last))
            .copied()
            .unwrap_or_default()
    }
}

impl Figures {
    pub fn new(json: bool) -> Figures {
        Figures {
            json,
            rows: Vec::new(),
        }
    }

    pub fn heading(&self, text: &str) {
        if !self.json {
            say!("\n{text}");
        }
    }

    pub fn run(&mut self, what: &str, mut run: Run) {
        let (p50, p99) = (run.percentile(50.0), run.percentile(99.0));
        let micros = |d: Duration| d.as_secs_f64() * 1e6;
        if !self.json {
            let rate = run.per_second();
            say!(
                "  {what:<36} {rate:>10.0} events/s   p50 {:>9.0} µs   p99 {:>9.0} µs",
                micros(p50),
                micros(p99)
            );
        }
        self.rows.push(serde_json::json!({
            "what": what, "events_per_second": run.per_second(), "p50_micros": micros(p50), "p99_micros": micros(p99),
        }));
    }

    pub fn rate(&mut self, what: &str, count: u64, (took, peak): (Duration, Option<u64>)) {
        let rate = count as f64 / took.as_secs_f64();
        if !self.json {
            say!("  {what:<36} {rate:>10.0} entries/s{}", shown(peak));
        }
        self.rows.push(serde_json::json!({
            "what": what, "entries_per_second": rate, "peak_rss_kib": peak,
        }));
    }

    /// Lines of another system's log, and what they are once they are sealed.
    pub fn lines(
        &mut self,
        what: &str,
        lines: u64,
        bytes: u64,
        sealed_bytes: u64,
        (took, peak): (Duration, Option<u64>),
    ) {
        let per_minute = lines as f64 * 60.0 / took.as_secs_f64();
        let share = 100.0 * sealed_bytes as f64 / bytes.max(1) as f64;
        if !self.json {
            let millions = per_minute / 1e6;
            say!(
                "  {what:<36} {millions:>10.2} million lines/min   sealed {share:>4.1} %{}",
                shown(peak)
            );
        }
        self.rows.push(serde_json::json!({
            "what": what, "lines_per_minute": per_minute, "bytes": bytes, "sealed_bytes": sealed_bytes,
            "peak_rss_kib": peak,
        }));
    }

    pub fn time(&mut self, what: &str, (took, peak): (Duration, Option<u64>)) {
        let millis = took.as_secs_f64() * 1e3;
        if !self.json {
            say!("  {what:<36} {millis:>10.1} ms       {}", shown(peak));
        }
        self.rows.push(serde_json::json!({
            "what": what, "millis": millis, "peak_rss_kib": peak,
        }));
    }

    pub fn count(&mut self, what: &str, count: u64, unit: &str) {
        if !self.json {
            say!("  {what:<36} {count:>10} {unit}");
        }
        self.rows
            .push(serde_json::json!({ "what": what, "count": count, "unit": unit }));
    }

    pub fn finish(&self) {
        if self.json {
            say!("{}", serde_json::Value::Array(self.rows.clone()));
        }
    }
}

fn shown(peak: Option<u64>) -> String {
    peak.map(|kib| format!("   peak RSS {:>6} MB", kib >> 10))
        .unwrap_or_default()
}

/// Time, and the most memory that the process held meanwhile: its own included, where the
/// system tells it.
pub struct Measure {
    start: Instant,
}

impl Measure {
    pub fn begin() -> Measure {
        // Linux: sets the peak back to what is held now (proc_pid_clear_refs(5)).
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Measure {
            start: Instant::now(),
        }
    }

    pub fn end(self) -> (Duration, Option<u64>) {
        let took = self.start.elapsed();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix("kB"));
        (took, kib.and_then(|kib| kib.trim().parse().ok()))
    }
}
