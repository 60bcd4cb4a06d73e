//! From glyphs at places to words and lines: a glyph that does not stand where the one before ended begins a word, and one that stands
//! higher or lower begins a line. Lines come in the order in which the page shows them.

use super::super::output::{Out, Stop};

/// A transformation of the plane (ISO 32000-1, 8.3.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix(pub [f64; 6]);

impl Matrix {
    pub const IDENTITY: Matrix = Matrix([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// First this one, then `after`.
    pub fn then(self, after: Matrix) -> Matrix {
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (self.0, after.0);
        Matrix([
            a * g + b * i,
            a * h + b * j,
            c * g + d * i,
            c * h + d * j,
            e * g + f * i + k,
            e * h + f * j + l,
        ])
    }

    pub fn moved(self, x: f64, y: f64) -> Matrix {
        Matrix([1.0, 0.0, 0.0, 1.0, x, y]).then(self)
    }
}

/// Where a glyph begins and in which direction and size the text runs.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// From the space in which the font has size 1 to that of the page.
    pub matrix: Matrix,
    /// Advance to the next glyph, in the space in which the font has size 1.
    pub advance: (f64, f64),
    /// Text runs from top to bottom.
    pub vertical: bool,
}

/// See the module.
#[derive(Default)]
pub struct Layout {
    /// Where the last glyph ended, and its size.
    end: Option<(f64, f64, f64)>,
}

impl Layout {
    /// Writes what a glyph means. `begins`: it is the first of a string, before which a gap is looked for.
    pub fn glyph(&mut self, place: Place, begins: bool, meaning: &str, out: &mut Out) -> Result<(), Stop> {
        let [a, b, c, d, x, y] = place.matrix.0;
        let (along, across, sign) =
            if place.vertical { ((c, d), (a, b), -1.0) } else { ((a, b), (c, d), 1.0) };
        let (wide, high) = (along.0.hypot(along.1), across.0.hypot(across.1));
        let size = if high > 0.0 { high } else { wide };
        if begins
            && let Some((end_x, end_y, last_size)) = self.end
            && wide > 0.0
            && wide.is_finite()
        {
            // The way from there to here, along the text and across it.
            let (dx, dy) = (x - end_x, y - end_y);
            let (ux, uy) = (sign * along.0 / wide, sign * along.1 / wide);
            let (forward, aside) = (dx * ux + dy * uy, (dy * ux - dx * uy).abs());
            // Marks of notes are small and stand high.
            if aside > 0.6 * size.max(last_size) {
                out.line();
            } else if forward > 0.15 * wide || forward < -0.5 * wide {
                // Subscripts and what is shown twice to look bold come back by less.
                out.space();
            }
        }
        self.end = Some((
            x + place.advance.0 * a + place.advance.1 * c,
            y + place.advance.0 * b + place.advance.1 * d,
            size,
        ));
        if !meaning.is_empty() && meaning.chars().all(char::is_whitespace) {
            out.space();
            return Ok(());
        }
        out.push(meaning)
    }

    /// What follows has nothing to do with what came before.
    pub fn begin_page(&mut self) {
        self.end = None;
    }
}
