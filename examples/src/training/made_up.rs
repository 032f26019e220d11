//! Generates leads from a seed as a CSV file with typical features: identifiers, addresses, gaps, and one column that
//! leaks the outcome.

use std::fmt::Write as _;

use fastrand::Rng;

/// Generates the given number of leads, oldest first. The column of the outcome is `converted`.
pub fn leads(rows: usize, seed: u64) -> String {
    let mut random = Rng::with_seed(seed);
    let mut csv = String::from("lead,email,source,country,visits,minutes on site,team size,last activity,converted\n");
    for number in 0..rows {
        let source = ["web", "web", "fair", "referral", "cold list"][random.usize(..5)];
        let country = ["AT", "CH", "DE", "DE", "DE", "FR"][random.usize(..6)];
        let visits = random.u32(..12);
        let minutes = random.f64() * 60.0;
        let team = 1 + random.u32(..40);
        // Very frequent visitors only look; large teams buy at fairs.
        let worth = match source {
            "referral" => 1.4,
            "cold list" => -1.2,
            "fair" if team > 20 => 1.8,
            _ => 0.0,
        };
        let log_odds = worth + 2.0 * f64::from(visits.min(6)) / 6.0 - f64::from(visits) * 0.15 + minutes / 40.0 - 2.2;
        let converted = random.f64() < 1.0 / (1.0 + (-log_odds).exp());
        // The sales team fills this column after the outcome is known.
        let last = match (converted, random.u32(..10)) {
            (true, 0..=7) => "contract sent",
            (false, 0..=6) => "no answer",
            (_, 8) => "Select",
            _ => "mail opened",
        };
        let minutes = if random.u32(..8) == 0 { String::new() } else { format!("{minutes:.1}") };
        let _ = writeln!(
            csv,
            "{},lead{number}@example.com,{source},{country},{visits},{minutes},{team},{last},{}",
            50_000 + number,
            if converted { "yes" } else { "no" },
        );
    }
    csv
}
