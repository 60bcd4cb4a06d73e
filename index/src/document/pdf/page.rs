//! What a page shows (ISO 32000-1, 8 and 9): its content streams and the forms in them, as far as text goes.

use std::collections::HashMap;
use std::rc::Rc;

use lopdf::{Dictionary, Document, Object, ObjectId};

use super::super::Failure;
use super::super::output::{Out, Stop};
use super::font::Font;
use super::layout::{Layout, Matrix, Place};
use super::lexer::{Lexer, Token};
use super::{LEVELS_MAX, dictionary, get, inflated, numbers, resolved, text_string};
use crate::limits::{
    DOCUMENT_PDF_FONTS_MAX, DOCUMENT_PDF_FORM_DEPTH_MAX, DOCUMENT_PDF_OPERATORS_MAX,
    DOCUMENT_PDF_STREAM_BYTES_MAX,
};

/// Operands that are kept for an operator.
const OPERANDS_MAX: usize = 100_000;
/// States that are kept by `q`.
const SAVED_MAX: usize = 1_000;
/// Dictionaries and arrays inside each other that are kept of an operand.
const OPERAND_DEPTH_MAX: usize = 8;

/// Reads page after page; keeps fonts between them.
pub struct Pages<'d> {
    document: &'d Document,
    fonts: HashMap<ObjectId, Rc<Font>>,
    layout: Layout,
    operators_left: u64,
    /// Forms that are being shown: one that shows itself does so once.
    open: Vec<ObjectId>,
}

/// What `q` keeps.
#[derive(Clone)]
struct State {
    matrix: Matrix,
    font: Option<Rc<Font>>,
    size: f64,
    character_space: f64,
    word_space: f64,
    /// A factor.
    scale: f64,
    leading: f64,
    rise: f64,
}

impl State {
    fn new(matrix: Matrix) -> State {
        State {
            matrix,
            font: None,
            size: 0.0,
            character_space: 0.0,
            word_space: 0.0,
            scale: 1.0,
            leading: 0.0,
            rise: 0.0,
        }
    }
}

#[derive(Clone, Debug)]
enum Operand {
    Number(f64),
    Name(Vec<u8>),
    String(Vec<u8>),
    Array(Vec<Operand>),
    Dictionary(Vec<(Vec<u8>, Operand)>),
}

/// A stretch of content with a text that stands for it (14.9.4).
enum Marked {
    Nothing,
    /// None when it has been written.
    Actual(Option<String>),
}

impl<'d> Pages<'d> {
    pub fn new(document: &'d Document) -> Pages<'d> {
        Pages {
            document,
            fonts: HashMap::new(),
            layout: Layout::default(),
            operators_left: DOCUMENT_PDF_OPERATORS_MAX,
            open: Vec::new(),
        }
    }

    pub fn read(&mut self, id: ObjectId, out: &mut Out) -> Result<(), Stop> {
        self.layout.begin_page();
        self.open.clear();
        let page = self.document.get_dictionary(id).map_err(|_| Failure::Damaged)?;
        let (content, whole) = self.contents(page)?;
        let resources = self.inherited(page, b"Resources");
        self.content(&content, resources, State::new(Matrix::IDENTITY), 0, out)?;
        if whole { Ok(()) } else { Err(Failure::Damaged.into()) }
    }

    /// The content streams of a page, which are one, and whether all could be read.
    fn contents(&self, page: &'d Dictionary) -> Result<(Vec<u8>, bool), Stop> {
        let one;
        let streams = match get(self.document, page, b"Contents") {
            Some(Object::Array(streams)) => streams.as_slice(),
            Some(stream @ Object::Stream(_)) => {
                one = std::slice::from_ref(stream);
                one
            }
            _ => &[],
        };
        let (mut content, mut whole) = (Vec::new(), true);
        for stream in streams {
            match resolved(self.document, stream) {
                Object::Stream(stream) => match inflated(stream) {
                    Ok(octets) => {
                        if content.len() + octets.len() > DOCUMENT_PDF_STREAM_BYTES_MAX {
                            return Err(Failure::TooLarge("octets on a page").into());
                        }
                        content.extend_from_slice(&octets);
                        content.push(b'\n');
                    }
                    Err(Failure::Damaged) => whole = false,
                    Err(failure) => return Err(failure.into()),
                },
                _ => whole = false,
            }
        }
        Ok((content, whole))
    }

    /// A dictionary of the page, or of what is above it in the tree of pages.
    fn inherited(&self, page: &'d Dictionary, key: &[u8]) -> Option<&'d Dictionary> {
        let mut node = page;
        for _ in 0..LEVELS_MAX {
            if let Some(found) = dictionary(self.document, node, key) {
                return Some(found);
            }
            node = dictionary(self.document, node, b"Parent")?;
        }
        None
    }

    /// Runs a content stream.
    fn content(
        &mut self,
        content: &[u8],
        resources: Option<&'d Dictionary>,
        state: State,
        depth: usize,
        out: &mut Out,
    ) -> Result<(), Stop> {
        let mut run = Run {
            resources,
            saved: Vec::new(),
            text: Matrix::IDENTITY,
            line: Matrix::IDENTITY,
            marked: Vec::new(),
            actual: 0,
            state,
            depth,
        };
        let mut lexer = Lexer::new(content);
        let mut operands: Vec<Operand> = Vec::new();
        while let Some(token) = lexer.next() {
            match token {
                Token::Word(operator) => {
                    self.operators_left =
                        self.operators_left.checked_sub(1).ok_or(Failure::TooLarge("operators"))?;
                    match operator {
                        b"ID" => lexer.pass_image(),
                        _ => self.operator(operator, &operands, &mut run, out)?,
                    }
                    operands.clear();
                }
                token if operands.len() < OPERANDS_MAX => {
                    operands.extend(operand(token, &mut lexer, OPERAND_DEPTH_MAX));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn operator(
        &mut self,
        operator: &[u8],
        operands: &[Operand],
        run: &mut Run<'d>,
        out: &mut Out,
    ) -> Result<(), Stop> {
        let number = |at: usize| match operands.get(at) {
            Some(Operand::Number(number)) => *number,
            _ => 0.0,
        };
        let matrix = || Matrix([number(0), number(1), number(2), number(3), number(4), number(5)]);
        match operator {
            b"q" if run.saved.len() < SAVED_MAX => run.saved.push(run.state.clone()),
            b"Q" => {
                if let Some(saved) = run.saved.pop() {
                    run.state = saved;
                }
            }
            b"cm" => run.state.matrix = matrix().then(run.state.matrix),
            b"BT" => {
                run.text = Matrix::IDENTITY;
                run.line = Matrix::IDENTITY;
            }
            b"Tf" => {
                if let Some(Operand::Name(name)) = operands.first() {
                    run.state.font = self.font(run.resources, name);
                }
                run.state.size = number(1);
            }
            b"gs" => self.graphics_state(operands, run),
            b"Tc" => run.state.character_space = number(0),
            b"Tw" => run.state.word_space = number(0),
            b"Tz" => run.state.scale = number(0) / 100.0,
            b"TL" => run.state.leading = number(0),
            b"Ts" => run.state.rise = number(0),
            b"Td" => run.next_line(number(0), number(1)),
            b"TD" => {
                run.state.leading = -number(1);
                run.next_line(number(0), number(1));
            }
            b"Tm" => {
                run.line = matrix();
                run.text = run.line;
            }
            b"T*" => run.next_line(0.0, -run.state.leading),
            b"Tj" => self.show(operands.first(), run, out)?,
            b"TJ" => {
                if let Some(Operand::Array(pieces)) = operands.first() {
                    for piece in pieces {
                        match piece {
                            Operand::Number(back) => run.advance(-back / 1000.0 * run.state.size),
                            piece => self.show(Some(piece), run, out)?,
                        }
                    }
                }
            }
            b"'" => {
                run.next_line(0.0, -run.state.leading);
                self.show(operands.first(), run, out)?;
            }
            b"\"" => {
                run.state.word_space = number(0);
                run.state.character_space = number(1);
                run.next_line(0.0, -run.state.leading);
                self.show(operands.get(2), run, out)?;
            }
            b"BMC" => run.mark(None),
            b"BDC" => {
                let properties = operands.get(1);
                let actual = self.actual_text(properties, run.resources);
                run.mark(actual);
            }
            b"EMC" => run.unmark(),
            b"Do" => {
                if let Some(Operand::Name(name)) = operands.first() {
                    self.form(name, run, out)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A font may be set by a dictionary of the graphics state, too.
    fn graphics_state(&mut self, operands: &[Operand], run: &mut Run<'d>) {
        let Some(Operand::Name(name)) = operands.first() else { return };
        let states = run.resources.and_then(|resources| dictionary(self.document, resources, b"ExtGState"));
        let state = states.and_then(|states| dictionary(self.document, states, name));
        if let Some(Object::Array(font)) = state.and_then(|state| get(self.document, state, b"Font"))
            && let [font, size] = font.as_slice()
        {
            run.state.font = self.font_of(font);
            run.state.size = super::number(resolved(self.document, size)).unwrap_or(0.0);
        }
    }

    fn font(&mut self, resources: Option<&'d Dictionary>, name: &[u8]) -> Option<Rc<Font>> {
        let fonts = dictionary(self.document, resources?, b"Font")?;
        self.font_of(fonts.get(name).ok()?)
    }

    fn font_of(&mut self, font: &'d Object) -> Option<Rc<Font>> {
        let make = || match resolved(self.document, font) {
            Object::Dictionary(font) => Some(Rc::new(Font::new(self.document, font))),
            _ => None,
        };
        let Object::Reference(id) = font else { return make() };
        if let Some(known) = self.fonts.get(id) {
            return Some(Rc::clone(known));
        }
        let font = make()?;
        if self.fonts.len() >= DOCUMENT_PDF_FONTS_MAX {
            self.fonts.clear();
        }
        self.fonts.insert(*id, Rc::clone(&font));
        Some(font)
    }

    /// The text that stands for a stretch of content, if its properties have one.
    fn actual_text(&self, properties: Option<&Operand>, resources: Option<&'d Dictionary>) -> Option<String> {
        match properties? {
            Operand::Dictionary(entries) => entries.iter().find_map(|(key, value)| match value {
                Operand::String(text) if key == b"ActualText" => Some(text_string(text)),
                _ => None,
            }),
            Operand::Name(name) => {
                let all = dictionary(self.document, resources?, b"Properties")?;
                let properties = dictionary(self.document, all, name)?;
                match get(self.document, properties, b"ActualText")? {
                    Object::String(text, _) => Some(text_string(text)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn form(&mut self, name: &[u8], run: &Run<'d>, out: &mut Out) -> Result<(), Stop> {
        if run.depth >= DOCUMENT_PDF_FORM_DEPTH_MAX {
            return Ok(());
        }
        let objects = run.resources.and_then(|resources| dictionary(self.document, resources, b"XObject"));
        let Some(Object::Stream(form)) = objects.and_then(|objects| get(self.document, objects, name)) else {
            return Ok(());
        };
        if form.dict.get(b"Subtype").and_then(Object::as_name).ok() != Some(b"Form") {
            return Ok(());
        }
        let id = objects.and_then(|objects| objects.get(name).ok()).and_then(|form| form.as_reference().ok());
        if id.is_some_and(|id| self.open.contains(&id)) {
            return Ok(());
        }
        let content = match inflated(form) {
            Ok(content) => content,
            Err(Failure::Damaged) => {
                out.miss(Failure::Damaged);
                return Ok(());
            }
            Err(failure) => return Err(failure.into()),
        };
        let mut state = run.state.clone();
        if let Some(matrix) = numbers(self.document, get(self.document, &form.dict, b"Matrix"))
            && let Ok(matrix) = <[f64; 6]>::try_from(matrix)
        {
            state.matrix = Matrix(matrix).then(state.matrix);
        }
        let resources = dictionary(self.document, &form.dict, b"Resources").or(run.resources);
        // A form that is only filled with an image costs as much as one with text.
        self.operators_left = self.operators_left.saturating_sub(content.len() as u64 / 64);
        self.open.extend(id);
        let read = self.content(&content, resources, state, run.depth + 1, out);
        if id.is_some() {
            self.open.pop();
        }
        read
    }

    /// Shows a string.
    fn show(&mut self, string: Option<&Operand>, run: &mut Run<'d>, out: &mut Out) -> Result<(), Stop> {
        let (Some(Operand::String(string)), Some(font)) = (string, run.state.font.clone()) else {
            return Ok(());
        };
        let mut rest = string.as_slice();
        let mut begins = true;
        while !rest.is_empty() {
            let code = font.code(rest);
            rest = rest.get(code.octets..).unwrap_or_default();
            let state = &run.state;
            let mut space = state.character_space;
            if code.octets == 1 && code.value == 0x20 {
                space += state.word_space;
            }
            let size = if state.size == 0.0 { 1.0 } else { state.size };
            let width = font.width(code);
            let vertical = font.is_vertical();
            let advance = if vertical { (0.0, -1.0 + space / size) } else { (width + space / size, 0.0) };
            let scaled = Matrix([size * state.scale, 0.0, 0.0, size, 0.0, state.rise]);
            let place = Place { matrix: scaled.then(run.text).then(state.matrix), advance, vertical };
            let actual;
            let meaning = match run.stands_for() {
                Some(text) => {
                    actual = text.take().unwrap_or_default();
                    actual
                }
                None => font.meaning(code),
            };
            self.layout.glyph(place, begins, &meaning, out)?;
            begins = false;
            run.text = run.text.moved(advance.0 * size * run.state.scale, advance.1 * size);
        }
        Ok(())
    }
}

/// One content stream while it is run.
struct Run<'d> {
    resources: Option<&'d Dictionary>,
    state: State,
    saved: Vec<State>,
    text: Matrix,
    line: Matrix,
    marked: Vec<Marked>,
    /// How many of them have a text that stands for them.
    actual: usize,
    depth: usize,
}

impl Run<'_> {
    fn next_line(&mut self, x: f64, y: f64) {
        self.line = self.line.moved(x, y);
        self.text = self.line;
    }

    fn advance(&mut self, by: f64) {
        let vertical = self.state.font.as_ref().is_some_and(|font| font.is_vertical());
        self.text =
            if vertical { self.text.moved(0.0, by) } else { self.text.moved(by * self.state.scale, 0.0) };
    }

    fn mark(&mut self, actual: Option<String>) {
        if self.marked.len() < SAVED_MAX {
            self.actual += usize::from(actual.is_some());
            self.marked.push(actual.map_or(Marked::Nothing, |text| Marked::Actual(Some(text))));
        }
    }

    fn unmark(&mut self) {
        if let Some(Marked::Actual(_)) = self.marked.pop() {
            self.actual = self.actual.saturating_sub(1);
        }
    }

    /// The text of the outermost stretch that has one.
    fn stands_for(&mut self) -> Option<&mut Option<String>> {
        if self.actual == 0 {
            return None;
        }
        self.marked.iter_mut().find_map(|marked| match marked {
            Marked::Actual(text) => Some(text),
            Marked::Nothing => None,
        })
    }
}

/// The operand that begins with this token.
fn operand(token: Token<'_>, lexer: &mut Lexer<'_>, depth: usize) -> Option<Operand> {
    Some(match token {
        Token::Number(number) => Operand::Number(number),
        Token::Name(name) => Operand::Name(name),
        Token::String(string) => Operand::String(string),
        Token::ArrayBegin | Token::DictionaryBegin if depth == 0 => return None,
        Token::ArrayBegin => {
            let mut array = Vec::new();
            while let Some(token) = lexer.next() {
                match token {
                    Token::ArrayEnd => break,
                    // Not closed: what follows is another operator's.
                    Token::Word(_) => {}
                    token if array.len() < OPERANDS_MAX => array.extend(operand(token, lexer, depth - 1)),
                    _ => {}
                }
            }
            Operand::Array(array)
        }
        Token::DictionaryBegin => {
            let mut entries = Vec::new();
            while let Some(token) = lexer.next() {
                match token {
                    Token::DictionaryEnd => break,
                    Token::Name(key) => {
                        let Some(token) = lexer.next() else { break };
                        if token == Token::DictionaryEnd {
                            break;
                        }
                        if let Some(value) = operand(token, lexer, depth - 1)
                            && entries.len() < 1_000
                        {
                            entries.push((key, value));
                        }
                    }
                    _ => {}
                }
            }
            Operand::Dictionary(entries)
        }
        Token::ArrayEnd | Token::DictionaryEnd | Token::Word(_) => return None,
    })
}
