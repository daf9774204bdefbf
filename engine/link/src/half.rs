//! The two halves of a stream: plain, TLS, or inside of another protocol's connection. Plain TCP needs no lock; what is
//! shared by both halves is driven by one task, so its lock is never contended.

use crate::upstream::Duplex;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::TlsStream;

/// A whole stream.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Inner(Box<dyn Duplex>),
}

pub(crate) enum ReadHalf {
    Plain(OwnedReadHalf),
    Tls(tokio::io::ReadHalf<Box<TlsStream<TcpStream>>>),
    Inner(tokio::io::ReadHalf<Box<dyn Duplex>>),
}

pub(crate) enum WriteHalf {
    Plain(OwnedWriteHalf),
    Tls(tokio::io::WriteHalf<Box<TlsStream<TcpStream>>>),
    Inner(tokio::io::WriteHalf<Box<dyn Duplex>>),
}

impl Stream {
    pub(crate) fn split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Plain(tcp) => {
                let (read, write) = tcp.into_split();
                (ReadHalf::Plain(read), WriteHalf::Plain(write))
            }
            Self::Tls(tls) => {
                let (read, write) = tokio::io::split(tls);
                (ReadHalf::Tls(read), WriteHalf::Tls(write))
            }
            Self::Inner(inner) => {
                let (read, write) = tokio::io::split(inner);
                (ReadHalf::Inner(read), WriteHalf::Inner(write))
            }
        }
    }
}

macro_rules! reads {
    ($($half:ident),*) => {$(
        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Plain(plain) => Pin::new(plain).poll_read(cx, buf),
                    Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
                    Self::Inner(inner) => Pin::new(inner).poll_read(cx, buf),
                }
            }
        }
    )*};
}
reads!(Stream, ReadHalf);

macro_rules! writes {
    ($($half:ident),*) => {$(
        impl AsyncWrite for $half {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Plain(plain) => Pin::new(plain).poll_write(cx, buf),
                    Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
                    Self::Inner(inner) => Pin::new(inner).poll_write(cx, buf),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Plain(plain) => Pin::new(plain).poll_write_vectored(cx, bufs),
                    Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
                    Self::Inner(inner) => Pin::new(inner).poll_write_vectored(cx, bufs),
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Plain(plain) => Pin::new(plain).poll_flush(cx),
                    Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
                    Self::Inner(inner) => Pin::new(inner).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Plain(plain) => Pin::new(plain).poll_shutdown(cx),
                    Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
                    Self::Inner(inner) => Pin::new(inner).poll_shutdown(cx),
                }
            }
        }
    )*};
}
writes!(Stream, WriteHalf);
