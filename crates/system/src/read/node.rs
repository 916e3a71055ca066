//! Reads the node.

use std::net::IpAddr;

use super::Reader;
use crate::code::Code;
use crate::mistake::{Mistake, Span};
use crate::model::{Node, Token};
use crate::value::Fields;

impl Reader<'_> {
    pub(super) fn node(&mut self, file: &Fields) -> Node {
        // Where the node is a mistake there are no fields to read: the empty object stands for it.
        let empty = Fields::empty(file.span);
        let node = file.object("node").unwrap_or(&empty);
        let admin = node.object("admin").unwrap_or(&empty);
        let api = node.object("api").unwrap_or(&empty);
        let admin_listen = admin.address("listen");
        self.expect_token(admin, "listen", admin_listen.ip());
        let api_bind = api.ip("bind");
        self.expect_token(api, "bind", api_bind);
        Node {
            data: self.path(node, "data"),
            zone: self.zone(node),
            workers: node.get("workers").map(|_| node.whole("workers")),
            grace: node.duration("grace"),
            admin_listen,
            admin_token: token(admin),
            api_bind,
            api_token: token(api),
        }
    }

    fn expect_token(&mut self, fields: &Fields, name: &str, ip: IpAddr) {
        let span: Option<Span> = fields.get(name).map(|value| value.span);
        if let Some(span) = span.filter(|_| !ip.is_loopback() && fields.get("token").is_none()) {
            let message = format!("`{ip}` can be reached from other machines, and no `token` is asked for");
            let help = "add `token: \"${env:NAME}\"`, or stay on 127.0.0.1";
            self.mistake(Mistake::at(span, Code::OpenWithoutToken, message).help(help));
        }
    }
}

fn token(fields: &Fields) -> Option<Token> {
    fields.get("token").map(|_| Token::new(fields.text("token")))
}
