//! The tree as the builder needs it: an arena with linked siblings, so that every edit is cheap and nothing recurses,
//! neither walking nor dropping.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::{Attribute, LocalName, QualName, local_name, ns};

use super::{HtmlText, is_block};

/// A node as the builder holds it: its index and, for elements, the name, which it may look at while nodes change.
#[derive(Clone)]
pub(super) struct Handle {
    index: usize,
    name: Rc<QualName>,
}

pub(super) struct Dom {
    nodes: RefCell<Vec<Node>>,
    no_name: Rc<QualName>,
    elements: Cell<usize>,
    depth: Cell<usize>,
}

/// Index of the document node.
const DOCUMENT: usize = 0;
/// Index of the comment node.
const COMMENT: usize = 1;

#[derive(Default)]
struct Node {
    parent: Option<usize>,
    previous: Option<usize>,
    next: Option<usize>,
    first: Option<usize>,
    last: Option<usize>,
    depth: usize,
    data: Data,
}

#[derive(Default)]
enum Data {
    /// The document, comments, processing instructions: no text.
    #[default]
    Other,
    Text(String),
    /// Name, and the attributes whose values are texts apart.
    Element(Rc<QualName>, Vec<String>),
}

/// Whether the value of an attribute is a text of its own: `alt` of anything, the target of a link.
pub(super) fn is_apart(element: &LocalName, attribute: &LocalName) -> bool {
    match *attribute {
        local_name!("alt") => true,
        local_name!("href") => matches!(*element, local_name!("a") | local_name!("area")),
        _ => false,
    }
}

impl Default for Dom {
    fn default() -> Dom {
        Dom {
            nodes: RefCell::new(vec![Node::default(), Node::default()]),
            no_name: Rc::new(QualName::new(None, ns!(), local_name!(""))),
            elements: Cell::new(0),
            depth: Cell::new(0),
        }
    }
}

impl Dom {
    /// Elements made so far.
    pub(super) fn elements(&self) -> usize {
        self.elements.get()
    }

    /// Depth of the deepest node so far.
    pub(super) fn depth(&self) -> usize {
        self.depth.get()
    }

    fn add(&self, data: Data) -> usize {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { data, ..Node::default() });
        nodes.len() - 1
    }

    fn nameless(&self, index: usize) -> Handle {
        Handle { index, name: Rc::clone(&self.no_name) }
    }

    /// Puts a node or text under `parent`, in front of `before` or at the end.
    fn insert(&self, parent: usize, before: Option<usize>, child: NodeOrText<Handle>) {
        let mut nodes = self.nodes.borrow_mut();
        let child = match child {
            NodeOrText::AppendNode(handle) => {
                unlink(&mut nodes, handle.index);
                handle.index
            }
            NodeOrText::AppendText(text) => {
                let neighbour = match before {
                    Some(before) => nodes[before].previous,
                    None => nodes[parent].last,
                };
                if let Some(neighbour) = neighbour
                    && let Data::Text(known) = &mut nodes[neighbour].data
                {
                    known.push_str(&text);
                    return;
                }
                nodes.push(Node { data: Data::Text(text.to_string()), ..Node::default() });
                nodes.len() - 1
            }
        };
        let depth = nodes[parent].depth + 1;
        self.depth.set(self.depth.get().max(depth));
        link(&mut nodes, parent, before, child);
        nodes[child].depth = depth;
    }

    /// Reads the tree in document order. `Break`: `stop` was raised.
    pub(super) fn into_text(self, stop: &AtomicBool) -> ControlFlow<(), HtmlText> {
        let nodes = self.nodes.into_inner();
        let mut out = HtmlText::default();
        // Inside a title its text goes to a text apart.
        let mut title: Option<(usize, String)> = None;
        let mut at = DOCUMENT;
        for step in 0u32.. {
            if step % 4096 == 0 && stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            let node = &nodes[at];
            let mut inside = node.first;
            match &node.data {
                Data::Text(text) => match &mut title {
                    Some((_, title)) => title.push_str(text),
                    None => out.text.push_str(text),
                },
                Data::Element(name, apart) => {
                    out.apart.extend(apart.iter().cloned());
                    match name.local {
                        local_name!("script") | local_name!("style") => inside = None,
                        local_name!("title") if title.is_none() => title = Some((at, String::new())),
                        _ if is_block(&name.local) => out.text.push(' '),
                        _ => {}
                    }
                }
                Data::Other => {}
            }
            if let Some(first) = inside {
                at = first;
                continue;
            }
            loop {
                if let Data::Element(name, _) = &nodes[at].data
                    && is_block(&name.local)
                {
                    out.text.push(' ');
                }
                if let Some((_, text)) = title.take_if(|(index, _)| *index == at) {
                    out.apart.push(text);
                }
                if let Some(next) = nodes[at].next {
                    at = next;
                    break;
                }
                match nodes[at].parent {
                    Some(parent) => at = parent,
                    None => return ControlFlow::Continue(out),
                }
            }
        }
        ControlFlow::Continue(out)
    }
}

fn unlink(nodes: &mut [Node], index: usize) {
    let (Some(parent), previous, next) =
        (nodes[index].parent.take(), nodes[index].previous.take(), nodes[index].next.take())
    else {
        return;
    };
    match previous {
        Some(previous) => nodes[previous].next = next,
        None => nodes[parent].first = next,
    }
    match next {
        Some(next) => nodes[next].previous = previous,
        None => nodes[parent].last = previous,
    }
}

fn link(nodes: &mut [Node], parent: usize, before: Option<usize>, child: usize) {
    let previous = match before {
        Some(before) => nodes[before].previous.replace(child),
        None => nodes[parent].last.replace(child),
    };
    match previous {
        Some(previous) => nodes[previous].next = Some(child),
        None => nodes[parent].first = Some(child),
    }
    let node = &mut nodes[child];
    (node.parent, node.previous, node.next) = (Some(parent), previous, before);
}

impl TreeSink for Dom {
    type Handle = Handle;
    type Output = ();
    type ElemName<'a> = &'a QualName;

    fn finish(self) {}

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        self.nameless(DOCUMENT)
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> &'a QualName {
        &target.name
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Handle {
        self.elements.set(self.elements.get() + 1);
        let apart = attributes
            .iter()
            .filter(|attribute| is_apart(&name.local, &attribute.name.local))
            .map(|attribute| attribute.value.to_string())
            .collect();
        let name = Rc::new(name);
        Handle { index: self.add(Data::Element(Rc::clone(&name), apart)), name }
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        // One node stands for all comments: it is moved to where the last one is.
        self.nameless(COMMENT)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        self.nameless(COMMENT)
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.insert(parent.index, None, child);
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        let attached = self.nodes.borrow()[element.index].parent.is_some();
        if attached { self.append_before_sibling(element, child) } else { self.append(previous, child) }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// The contents of a template are read where the template stands.
    fn get_template_contents(&self, target: &Handle) -> Handle {
        target.clone()
    }

    fn same_node(&self, x: &Handle, y: &Handle) -> bool {
        x.index == y.index
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        let parent = self.nodes.borrow()[sibling.index].parent;
        if let Some(parent) = parent {
            self.insert(parent, Some(sibling.index), child);
        }
    }

    fn add_attrs_if_missing(&self, _: &Handle, _: Vec<Attribute>) {
        // Only `html` and `body` get attributes later; none of theirs is a text.
    }

    fn remove_from_parent(&self, target: &Handle) {
        unlink(&mut self.nodes.borrow_mut(), target.index);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let mut nodes = self.nodes.borrow_mut();
        let depth = nodes[new_parent.index].depth + 1;
        while let Some(child) = nodes[node.index].first {
            unlink(&mut nodes, child);
            link(&mut nodes, new_parent.index, None, child);
            nodes[child].depth = depth;
        }
    }
}
