//! Walking the parse tree. Every field of every node is visited unless whoever visits takes a node into
//! its own hands, so no corner of a statement can be forgotten.
//!
//! Refuses: a node that `nodes.rs` does not list is never skipped in silence; the visitor is told.

/// Writes the visitor's side of the list down: one `Seen` variant and one `Walk` for each node.
macro_rules! listed {
    ($($name:ident { $($child:ident),* ; $($leaf:ident),* })*) => {
        /// A listed node, typed.
        #[derive(Clone, Copy)]
        pub(crate) enum Seen<'a> {
            $($name(&'a $name),)*
        }

        impl<'a> Seen<'a> {
            /// Visits what is under the node.
            pub(crate) fn walk_children(self, visitor: &mut dyn super::Visit<'a>) {
                match self {
                    $(Self::$name(inner) => super::Walk::walk_children(inner, visitor),)*
                }
            }

            /// The node's name in PostgreSQL's source, as far as Rust keeps it.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                }
            }
        }

        $(impl super::Walk for $name {
            fn walk<'a>(&'a self, visitor: &mut dyn super::Visit<'a>) {
                if visitor.enter(Seen::$name(self)) {
                    self.walk_children(visitor);
                }
            }

            fn walk_children<'a>(&'a self, visitor: &mut dyn super::Visit<'a>) {
                let $name { $($child,)* $($leaf: _,)* } = self;
                $(super::Walk::walk($child, visitor);)*
                let _ = visitor;
            }
        })*

        impl super::Walk for Node {
            fn walk<'a>(&'a self, visitor: &mut dyn super::Visit<'a>) {
                match &self.node {
                    $(Some(node::Node::$name(inner)) => super::Walk::walk(inner, visitor),)*
                    Some(_) => visitor.unlisted(),
                    None => {}
                }
            }

            fn walk_children<'a>(&'a self, visitor: &mut dyn super::Visit<'a>) {
                match &self.node {
                    $(Some(node::Node::$name(inner)) => super::Walk::walk_children(inner, visitor),)*
                    Some(_) => visitor.unlisted(),
                    None => {}
                }
            }
        }
    };
}

mod nodes;
pub(crate) use nodes::Seen;

/// Who looks at the nodes.
pub(crate) trait Visit<'a> {
    /// Looks at a node. True: its children are visited next.
    fn enter(&mut self, node: Seen<'a>) -> bool;
    /// A node that is not on the list.
    fn unlisted(&mut self);
}

/// What can be walked.
pub(crate) trait Walk {
    /// Visits the node, then what is under it.
    fn walk<'a>(&'a self, visitor: &mut dyn Visit<'a>);
    /// Visits only what is under it.
    fn walk_children<'a>(&'a self, visitor: &mut dyn Visit<'a>);
}

impl<T: Walk> Walk for Option<T> {
    fn walk<'a>(&'a self, visitor: &mut dyn Visit<'a>) {
        if let Some(inner) = self {
            inner.walk(visitor);
        }
    }

    fn walk_children<'a>(&'a self, visitor: &mut dyn Visit<'a>) {
        if let Some(inner) = self {
            inner.walk_children(visitor);
        }
    }
}

impl<T: Walk + ?Sized> Walk for Box<T> {
    fn walk<'a>(&'a self, visitor: &mut dyn Visit<'a>) {
        (**self).walk(visitor);
    }

    fn walk_children<'a>(&'a self, visitor: &mut dyn Visit<'a>) {
        (**self).walk_children(visitor);
    }
}

impl<T: Walk> Walk for Vec<T> {
    fn walk<'a>(&'a self, visitor: &mut dyn Visit<'a>) {
        for inner in self {
            inner.walk(visitor);
        }
    }

    fn walk_children<'a>(&'a self, visitor: &mut dyn Visit<'a>) {
        for inner in self {
            inner.walk_children(visitor);
        }
    }
}
