//! Messages and programs for tests of properties.

use proptest::prelude::*;
use trawl_index::query::{Field, Node};

/// Octets that look like mail more often than chance would have it.
pub fn mail() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<Vec<u8>>(),
        prop::sample::select(vec![
            "Subject: ",
            "From: ",
            "To: a@b, \"x\" <y@z>; g: ",
            "Content-Type: ",
            "multipart/mixed; boundary=q",
            "text/html",
            "message/rfc822",
            "text/plain; charset=",
            "utf-8",
            "iso-2022-kr",
            "utf-7",
            "hz-gb-2312",
            "johab",
            "utf-16",
            "x-none",
            "; format=flowed",
            "; name*0*=utf-8''%e2",
            "; name*1=\"",
            "; name=word",
            "multipart/related; boundary=q",
            "Content-Disposition: ",
            "attachment",
            "inline",
            "; filename=\"word ",
            "Content-Transfer-Encoding: ",
            "base64",
            "quoted-printable",
            "x-uuencode",
            "\r\n",
            "\n",
            "\r\n\r\n",
            "\n\n",
            "--q\r\n",
            "--q--\r\n",
            "=?utf-8?q?=C3",
            "?=",
            "=?iso-2022-jp?B?GyRC",
            "<p>",
            "</b>",
            "<table>",
            "<a href='",
            "<script>",
            "&eacute",
            "(",
            "\"",
            "\\",
            "=",
            "=4",
            "aGVsbG8",
            " ",
            "\t",
            "word",
            "Ünï",
            "begin 644 x\n",
            "end\n",
            "Date: 1 Jan 2001 00:00 ",
            "Re: [x] ",
            "<",
            ">",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Where a key may look.
pub fn field() -> impl Strategy<Value = Field> {
    prop::sample::select(vec![
        Field::Body,
        Field::Text,
        Field::Subject,
        Field::From,
        Field::To,
        Field::Header("content-type".into()),
        Field::FileName,
        Field::Attachment,
    ])
}

/// Programs over these keys.
pub fn program(leaf: impl Strategy<Value = Node> + 'static) -> impl Strategy<Value = Node> {
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|node| Node::Not(Box::new(node))),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Node::And),
            prop::collection::vec(inner, 0..3).prop_map(Node::Or),
        ]
    })
}
