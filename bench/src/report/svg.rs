//! Plots as inline SVG: lines over linear, logarithmic and "nines" axes, and bars. Colours are CSS variables of the page.

use std::fmt::Write;

use super::numbers::significant;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    Linear,
    /// Decades.
    Log,
    /// Quantiles: 0, 90 %, 99 %, ... at even distances.
    Nines,
}

pub struct Axis {
    pub scale: Scale,
    pub title: String,
}

pub struct Line {
    pub name: String,
    /// Index of a colour of the page.
    pub colour: usize,
    pub points: Vec<(f64, f64)>,
    /// Whether points are marked.
    pub marks: bool,
    pub dashed: bool,
}

/// Position on an axis before scaling.
fn along(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log => value.max(1e-12).log10(),
        Scale::Nines => -(1.0 - value.min(0.999_999_9)).log10(),
    }
}

struct Range {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

impl Range {
    fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Range {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            low = low.min(along(scale, value));
            high = high.max(along(scale, value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        match scale {
            Scale::Linear => {
                let step = nice((high.max(1e-12)) / 5.0);
                let high = (high / step).ceil().max(1.0) * step;
                let count = (high / step).round() as usize;
                let ticks = (0..=count).map(|n| (n as f64 * step, significant(n as f64 * step))).collect();
                Range { scale, low: 0.0, high, ticks }
            }
            Scale::Log => {
                // At least a decade, ends at 1, 2 or 5.
                let floor = [1.0, 2.0, 5.0];
                let ends = |value: f64, up: bool| {
                    let decade = value.floor();
                    let part = 10f64.powf(value - decade);
                    let end = if up {
                        floor.iter().copied().find(|f| *f >= part * 0.999).unwrap_or(10.0)
                    } else {
                        floor.iter().copied().rev().find(|f| *f <= part * 1.001).unwrap_or(1.0)
                    };
                    decade + end.log10()
                };
                let (low, high) = (ends(low, false), ends(high.max(low + 0.3), true));
                let wide = high - low > 2.5;
                let mut ticks = Vec::new();
                for decade in low.floor() as i32..=high.ceil() as i32 {
                    for part in if wide { &[1.0][..] } else { &[1.0, 2.0, 5.0][..] } {
                        let value = part * 10f64.powi(decade);
                        if (low - 1e-9..=high + 1e-9).contains(&value.log10()) {
                            ticks.push((value, significant(value)));
                        }
                    }
                }
                Range { scale, low, high, ticks }
            }
            Scale::Nines => {
                let high = high.ceil().clamp(1.0, 7.0);
                let mut ticks = vec![(0.0, "0".to_owned()), (0.5, "50".to_owned())];
                for nines in 1..=high as i32 {
                    let value = 1.0 - 10f64.powi(-nines);
                    ticks.push((value, format!("{:.*}", (nines - 2).max(0) as usize, value * 100.0)));
                }
                Range { scale, low: 0.0, high, ticks }
            }
        }
    }

    /// 0 at the low end, 1 at the high one.
    fn part(&self, value: f64) -> f64 {
        ((along(self.scale, value) - self.low) / (self.high - self.low).max(1e-12)).clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 times a power of ten, at least `value`.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * power).find(|m| *m >= value * 0.999).unwrap_or(power * 10.0)
}

/// A plot of lines with a legend.
pub fn lines(x: &Axis, y: &Axis, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let across = Range::of(x.scale, points().map(|p| p.0));
    let up = Range::of(y.scale, points().map(|p| p.1));
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let place = |(px, py): (f64, f64)| (LEFT + across.part(px) * width, TOP + (1.0 - up.part(py)) * height);
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for (value, text) in &up.ticks {
        let at = TOP + (1.0 - up.part(*value)) * height;
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"tick\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for (value, text) in &across.ticks {
        let at = LEFT + across.part(*value) * width;
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>\
             <text class=\"tick\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{text}</text>",
            TOP + height,
            TOP + height + 16.0
        );
    }
    for line in lines.iter().filter(|line| !line.points.is_empty()) {
        let path: Vec<String> =
            line.points.iter().map(|p| place(*p)).map(|(px, py)| format!("{px:.1},{py:.1}")).collect();
        let dash = if line.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ =
            write!(out, "<polyline class=\"line c{}\"{dash} points=\"{}\"/>", line.colour, path.join(" "));
        if line.marks {
            for point in &line.points {
                let (px, py) = place(*point);
                let _ = write!(
                    out,
                    "<circle class=\"mark c{}\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"4\"><title>{}: {}, {}</title></circle>",
                    line.colour,
                    escape(&line.name),
                    significant(point.0),
                    significant(point.1)
                );
            }
        }
    }
    let _ = write!(
        out,
        "<text class=\"axis\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
         <text class=\"axis\" text-anchor=\"middle\" transform=\"translate(14 {:.1}) rotate(-90)\">{}</text></svg>",
        LEFT + width / 2.0,
        HEIGHT - 8.0,
        escape(&x.title),
        TOP + height / 2.0,
        escape(&y.title)
    );
    out.push_str("<div class=\"legend\">");
    for line in lines.iter().filter(|line| !line.points.is_empty()) {
        let style = if line.dashed { "key dashed" } else { "key" };
        let _ = write!(out, "<span><i class=\"{style} c{}\"></i>{}</span>", line.colour, escape(&line.name));
    }
    out.push_str("</div>");
    out
}

/// One bar: what it is of, its colour, its length, and the length as text.
pub struct Bar {
    pub name: String,
    pub colour: usize,
    pub value: f64,
    pub text: String,
}

/// Horizontal bars with their values, from zero.
pub fn bars(bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(1e-12, f64::max);
    let (row, left) = (26.0, 190.0);
    let height = bars.len() as f64 * row + 8.0;
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (n, bar) in bars.iter().enumerate() {
        let top = n as f64 * row + 4.0;
        let length = (bar.value / most * (WIDTH - left - 110.0)).max(1.0);
        let _ = write!(
            out,
            "<text class=\"name\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <rect class=\"bar c{}\" x=\"{left}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"18\" rx=\"3\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left - 8.0,
            top + 13.0,
            escape(&bar.name),
            bar.colour,
            left + length + 6.0,
            top + 13.0,
            escape(&bar.text)
        );
    }
    out.push_str("</svg>");
    out
}

/// Text for HTML and SVG.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes() {
        let log = Range::of(Scale::Log, [0.3, 40.0].into_iter());
        assert_eq!(log.ticks.first().map(|t| t.1.as_str()), Some("0.2"));
        assert_eq!(log.ticks.last().map(|t| t.1.as_str()), Some("50"));
        let nines = Range::of(Scale::Nines, [0.0, 0.995].into_iter());
        let texts: Vec<&str> = nines.ticks.iter().map(|t| t.1.as_str()).collect();
        assert_eq!(texts, ["0", "50", "90", "99", "99.9"]);
        assert!((nines.part(0.9) - 1.0 / 3.0).abs() < 1e-9);
        let linear = Range::of(Scale::Linear, [3.0, 870.0].into_iter());
        assert_eq!((linear.low, linear.high), (0.0, 1000.0));
        assert_eq!(escape("a<b>\"&"), "a&lt;b&gt;&quot;&amp;");
    }
}
