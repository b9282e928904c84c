//! Flotilla's gRPC front: TLS, HTTP/2 and gRPC framing on a thread of its own, calls handed to Python in batches.
//!
//! ```text
//! thread of the front                                  thread of the event loop
//! server: accept -> tls -> h2 -> stream: whole message -> queue -(eventfd)-> take -> the batch function
//!                                stream: answer  <- answerer <-(notify)- answers <- answer, fail
//!                                tunnel: any other method <-> gRPC on a Unix socket
//! ```
//!
//! The front never takes the interpreter lock. What crosses is plain: messages, and answers.

mod call;
mod connection;
mod front;
mod grpc;
mod server;
mod shared;
mod stream;
mod tallies;
mod tls;
mod tunnel;

#[pyo3::pymodule]
mod flotilla_native {
    #[pymodule_export]
    use super::call::Call;
    #[pymodule_export]
    use super::front::Front;
}
