//! Bars of a few figures, drawn as SVG inside the page.

use super::Language;
use super::model::{Chart, Report};
use super::write::value;
use maud::{Markup, html};

const WIDTH: u64 = 240;
const BAR: u64 = 12;
const STEP: u64 = 20;
/// Where bars begin, and how long the longest is.
const LEFT: u64 = 52;
const LONGEST: u64 = 110;

/// One chart; the figures are those of the tables, so a bar cannot say anything else.
pub(super) fn chart(report: &Report, chart: &Chart, language: Language) -> Markup {
    let bars = chart.bars.iter();
    let bars: Vec<_> = bars
        .filter_map(|(label, id)| Some((label, report.figure(id)?)))
        .collect();
    let most = bars
        .iter()
        .map(|(_, figure)| figure.value)
        .max()
        .unwrap_or(0);
    let length = |value: u64| match most {
        0 => 0,
        most => u64::try_from(u128::from(value) * u128::from(LONGEST) / u128::from(most))
            .unwrap_or(LONGEST),
    };
    let height = STEP * bars.len() as u64;
    html! {
        figure.chart {
            figcaption { (chart.title.in_language(language)) }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(chart.title.in_language(language)) {
                @for (index, (label, figure)) in bars.iter().enumerate() {
                    @let y = STEP * index as u64;
                    text.axis x=(LEFT - 6) y=(y + 13) text-anchor="end" { (label) }
                    rect x=(LEFT) y=(y + 4) width=(length(figure.value)) height=(BAR) {}
                    text x=(LEFT + length(figure.value) + 5) y=(y + 13) { (value(figure)) }
                }
            }
        }
    }
}
