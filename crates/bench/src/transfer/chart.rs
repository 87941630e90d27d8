//! Line charts as SVG, readable on a light and on a dark page. Pure.

use std::fmt::Write;

/// In units of the picture, which scales.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// Around the plot: axis labels on the left and below, the legend on the right.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
/// Lines of the grid there should be, about.
const TICKS: f64 = 6.0;
const LEGEND_LINE: f64 = 22.0;

/// Told apart by people who see no red or no green (Okabe and Ito), each visible on white and on black.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a8a"];

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-size: 16px; font-weight: 600 }
.axis { fill: #59636e } .grid { stroke: #d1d9e0; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .axis { fill: #9198a1 } .grid { stroke: #3d444d } }
";

/// What is drawn.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) lines: Vec<Line>,
}

/// One line, from left to right.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

impl Chart {
    pub(super) fn svg(&self) -> String {
        let axes = Axes::around(self);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{}\">\n<style>\n{STYLE}</style>\n",
            escaped(&self.title)
        );
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        text(&mut svg, "title", (LEFT, 24.0), "start", &self.title);
        text(&mut svg, "axis", (middle, HEIGHT - 14.0), "middle", &self.x);
        text(&mut svg, "axis", (8.0, TOP - 8.0), "start", &self.y);
        axes.draw(&mut svg);
        for ((line, colour), index) in self.lines.iter().zip(COLOURS.iter().cycle()).zip(0_u32..) {
            line.draw(&mut svg, &axes, colour);
            let y = TOP + 8.0 + LEGEND_LINE * f64::from(index);
            let x = WIDTH - RIGHT + 16.0;
            let _ =
                writeln!(svg, "<path class=\"line\" stroke=\"{colour}\" d=\"M{x:.1} {y:.1}h18\"/>");
            text(&mut svg, "name", (x + 26.0, y + 4.5), "start", &line.name);
        }
        svg + "</svg>\n"
    }
}

impl Line {
    fn draw(&self, svg: &mut String, axes: &Axes, colour: &str) {
        let mut path = String::new();
        for (index, point) in self.points.iter().enumerate() {
            let (x, y) = axes.place(*point);
            let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
        }
        let _ = writeln!(svg, "<path class=\"line\" stroke=\"{colour}\" d=\"{path}\"/>");
    }
}

/// From values to places; both axes begin at 0.
struct Axes {
    x: Axis,
    y: Axis,
}

struct Axis {
    step: f64,
    max: f64,
}

impl Axes {
    fn around(chart: &Chart) -> Self {
        let points = || chart.lines.iter().flat_map(|line| &line.points);
        let x = points().map(|point| point.0).fold(0.0, f64::max);
        let y = points().map(|point| point.1).fold(0.0, f64::max);
        let (mut x_axis, y_axis) = (Axis::up_to(x), Axis::up_to(y));
        // Nothing is right of the last point.
        x_axis.max = if x > 0.0 { x } else { x_axis.max };
        Self { x: x_axis, y: y_axis }
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        (LEFT + x / self.x.max * width, HEIGHT - BOTTOM - y / self.y.max * height)
    }

    fn draw(&self, svg: &mut String) {
        for value in self.y.ticks() {
            let (x, y) = self.place((0.0, value));
            let end = WIDTH - RIGHT;
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {y:.1}H{end:.1}\"/>");
            text(svg, "axis", (x - 8.0, y + 4.5), "end", &label(value));
        }
        for value in self.x.ticks() {
            let (x, y) = self.place((value, 0.0));
            text(svg, "axis", (x, y + 20.0), "middle", &label(value));
        }
    }
}

impl Axis {
    /// Steps of 1, 2 or 5 times a power of ten.
    fn up_to(max: f64) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let rough = max / TICKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|it| *it >= rough);
        let step = step.unwrap_or(max);
        Self { step, max: (max / step).ceil() * step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (step, max) = (self.step, self.max);
        (0_u32..).map(move |it| f64::from(it) * step).take_while(move |it| *it <= max * 1.000_001)
    }
}

/// Without the dust of binary fractions.
fn label(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    rounded.to_string()
}

fn text(svg: &mut String, class: &str, (x, y): (f64, f64), anchor: &str, content: &str) {
    let content = escaped(content);
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64)]) -> Chart {
        Chart {
            title: "A & B".into(),
            x: "loss".into(),
            y: "Mbit/s".into(),
            lines: vec![Line { name: "x < y".into(), points: points.to_vec() }],
        }
    }

    #[test]
    fn an_axis_has_round_steps_and_holds_everything() {
        for (max, step, end) in [(96.0, 20.0, 100.0), (5.0, 1.0, 5.0), (0.7, 0.2, 0.8)] {
            let axis = Axis::up_to(max);
            assert!((axis.step - step).abs() < 1e-9, "{max}: {}", axis.step);
            assert!((axis.max - end).abs() < 1e-9, "{max}: {}", axis.max);
        }
    }

    #[test]
    fn the_corners_of_the_plot_are_its_extremes() {
        let svg = chart(&[(0.0, 0.0), (5.0, 100.0)]).svg();
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let (top, bottom) = (TOP, HEIGHT - BOTTOM);
        assert!(svg.contains(&format!("M{left:.1} {bottom:.1}L{right:.1} {top:.1}")), "{svg}");
    }

    #[test]
    fn what_is_written_is_escaped() {
        let svg = chart(&[]).svg();
        assert!(svg.contains("A &amp; B") && svg.contains("x &lt; y"), "{svg}");
    }

    #[test]
    fn a_chart_of_nothing_is_a_chart_still() {
        let svg = chart(&[]).svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn it_is_readable_on_a_dark_page() {
        assert!(chart(&[]).svg().contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn labels_have_no_dust() {
        assert_eq!(label(0.1 + 0.2), "0.3");
        assert_eq!(label(20.0), "20");
    }
}
