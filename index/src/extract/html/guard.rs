//! Stands between tokenizer and tree builder and gives up on the tree when it costs too much.
//!
//! Some inputs make any HTML tree builder work quadratically (deep stacks, formatting elements opened again in every
//! paragraph), or of memory. When the tree is deeper than [`HTML_DEPTH_MAX`] or has more elements than
//! [`HTML_ELEMENTS_MAX`] or than its input can honestly need,
//! the tokens of the rest of the part bypass the builder: text is text, block tags are spaces, scripts are left out.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use html5ever::LocalName;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts};

use super::dom::{Dom, Handle};
use super::{HtmlText, is_block};
use crate::limits::{HTML_DEPTH_MAX, HTML_ELEMENTS_MAX};

pub(super) struct Guard {
    builder: TreeBuilder<Handle, Dom>,
    input_bytes: Cell<usize>,
    flat: Cell<bool>,
    rest: RefCell<HtmlText>,
    /// In flat reading: the raw text element we are in, and whether its text counts.
    raw: RefCell<Option<(LocalName, bool)>>,
}

/// Elements a document may have whatever its size.
const FREE_ELEMENTS: usize = 20_000;

const _: () = assert!(FREE_ELEMENTS < HTML_ELEMENTS_MAX);

impl Guard {
    pub(super) fn new() -> Guard {
        let opts = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
        Guard {
            builder: TreeBuilder::new(Dom::default(), opts),
            input_bytes: Cell::new(0),
            flat: Cell::new(false),
            rest: RefCell::default(),
            raw: RefCell::default(),
        }
    }

    /// So many octets of text are about to be parsed.
    pub(super) fn input(&self, bytes: usize) {
        self.input_bytes.set(self.input_bytes.get() + bytes);
    }

    pub(super) fn into_text(self, stop: &AtomicBool) -> ControlFlow<(), HtmlText> {
        let mut text = self.builder.sink.into_text(stop)?;
        let rest = self.rest.into_inner();
        text.text.push_str(&rest.text);
        text.apart.extend(rest.apart);
        ControlFlow::Continue(text)
    }

    fn flat_tag(&self, tag: &Tag) -> TokenSinkResult<Handle> {
        let mut rest = self.rest.borrow_mut();
        let mut raw = self.raw.borrow_mut();
        if tag.kind == TagKind::EndTag {
            *raw = None;
        }
        if is_block(&tag.name) {
            rest.text.push(' ');
        }
        if tag.kind == TagKind::EndTag {
            return TokenSinkResult::Continue;
        }
        for attribute in &tag.attrs {
            if super::dom::is_apart(&tag.name, &attribute.name.local) {
                rest.apart.push(attribute.value.to_string());
            }
        }
        let kind = match &*tag.name {
            "script" => Some((RawKind::ScriptData, false)),
            "style" => Some((RawKind::Rawtext, false)),
            "title" | "textarea" => Some((RawKind::Rcdata, true)),
            "xmp" | "iframe" | "noembed" | "noframes" => Some((RawKind::Rawtext, true)),
            _ => None,
        };
        match kind {
            Some((kind, counts)) => {
                *raw = Some((tag.name.clone(), counts));
                TokenSinkResult::RawData(kind)
            }
            None => TokenSinkResult::Continue,
        }
    }
}

impl TokenSink for Guard {
    type Handle = Handle;

    fn process_token(&self, token: Token, line_number: u64) -> TokenSinkResult<Handle> {
        if !self.flat.get() {
            let dom = &self.builder.sink;
            let honest = HTML_ELEMENTS_MAX.min(FREE_ELEMENTS + self.input_bytes.get() / 4);
            // Only a start tag makes the tree grow, and at one no raw text is open.
            if !matches!(&token, Token::TagToken(tag) if tag.kind == TagKind::StartTag)
                || dom.depth() <= HTML_DEPTH_MAX && dom.elements() <= honest
            {
                // Scripts are not run, and the charset is settled before the document is parsed.
                return match self.builder.process_token(token, line_number) {
                    TokenSinkResult::Script(_) | TokenSinkResult::EncodingIndicator(_) => {
                        TokenSinkResult::Continue
                    }
                    other => other,
                };
            }
            self.flat.set(true);
        }
        match token {
            Token::TagToken(tag) => return self.flat_tag(&tag),
            Token::CharacterTokens(text) if !matches!(&*self.raw.borrow(), Some((_, false))) => {
                self.rest.borrow_mut().text.push_str(&text);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        !self.flat.get() && self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}
