//! The last stretch to the contract: the canonical ABI of the component model, for the flat types of
//! `wit/portcullis.wit` and nothing else. Written by hand because so little is needed: answers stay where
//! they are until the next call, so that a call frees nothing and mostly allocates nothing of its own.
//! Layouts: <https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>.

use super::{ClassifierGlue, MaskerGlue, flat_objects, nul_terminated};
use crate::ConfigError;
use crate::classifier::Classifier;
use crate::masker::{Edit, Masker};
use std::alloc::Layout;
use std::cell::RefCell;
use std::thread::LocalKey;

#[link(wasm_import_module = "portcullis:plugin/host@0.1.0")]
unsafe extern "C" {
    #[link_name = "log"]
    fn host_log(code: u32, value: u64);
    #[link_name = "count"]
    fn host_count(counter: u32, by: u64);
}

/// `host.log`.
pub fn log(code: u32, value: u64) {
    // SAFETY: two integers by value; nothing can be aliased.
    unsafe { host_log(code, value) }
}

/// `host.count`.
pub fn count(counter: u32, by: u64) {
    // SAFETY: two integers by value; nothing can be aliased.
    unsafe { host_count(counter, by) }
}

/// Memory for an argument.
///
/// # Safety
/// `old` was returned by this function for `old_len` and `align`, or `old_len` is 0.
pub unsafe fn realloc(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
    if len == 0 {
        return std::ptr::without_provenance_mut(align);
    }
    let layout = |size| Layout::from_size_align(size, align).expect("invariant: a valid layout");
    // SAFETY: `len` is not 0; `old` and `old_len` as promised by the caller.
    let memory = unsafe {
        match old_len {
            0 => std::alloc::alloc(layout(len)),
            _ => std::alloc::realloc(old, layout(old_len), len),
        }
    };
    assert!(!memory.is_null(), "out of memory");
    memory
}

/// Takes over a list argument.
///
/// # Safety
/// The list was allocated by [`realloc`] with the alignment of `T` and holds `len` valid `T`s.
pub unsafe fn take<T>(list: *mut T, len: usize) -> Vec<T> {
    match len {
        0 => Vec::new(),
        // SAFETY: as promised by the caller; a list of `len` elements has exactly their size.
        _ => unsafe { Vec::from_raw_parts(list, len, len) },
    }
}

/// Calls the configured plugin.
pub fn with<G, R>(
    plugin: &'static LocalKey<RefCell<Option<G>>>,
    call: impl FnOnce(&mut G) -> R,
) -> R {
    plugin.with_borrow_mut(|glue| {
        call(
            glue.as_mut()
                .expect("invariant: configured before anything else"),
        )
    })
}

/// What was answered last. The host reads it before it calls again.
#[derive(Default)]
struct Answer {
    words: [u32; 8],
    edits: Vec<Edit>,
    errors: Vec<[u32; 4]>,
    findings: Vec<[u32; 3]>,
    bytes: [Vec<u8>; 2],
    error: Option<ConfigError>,
}

thread_local! {
    static ANSWER: RefCell<Answer> = RefCell::new(Answer::default());
}

/// Fills the answer and returns where it stands: a thread-local never moves.
fn answer(fill: impl FnOnce(&mut Answer)) -> *const u32 {
    ANSWER.with_borrow_mut(|answer| {
        fill(answer);
        answer.words.as_ptr()
    })
}

fn list<T>(items: &[T]) -> [u32; 2] {
    [items.as_ptr().addr() as u32, items.len() as u32]
}

/// `result<_, list<config-error>>`: discriminant, then the list.
pub fn configured<G>(
    plugin: &'static LocalKey<RefCell<Option<G>>>,
    glue: Result<G, ConfigError>,
) -> *const u32 {
    answer(|answer| match glue {
        Ok(glue) => {
            plugin.set(Some(glue));
            answer.words[0] = 0;
        }
        Err(error) => {
            let error = answer.error.insert(error);
            let (path, message) = (list(error.path.as_bytes()), list(error.message.as_bytes()));
            answer.errors = vec![[path[0], path[1], message[0], message[1]]];
            let errors = list(&answer.errors);
            (answer.words[0], answer.words[1], answer.words[2]) = (1, errors[0], errors[1]);
        }
    })
}

/// `mask.mask`: edits, heap, held.
pub fn mask<M: Masker>(
    glue: &mut MaskerGlue<M>,
    kind: u32,
    shape: u32,
    cells: &[u32],
    data: &[u8],
) -> *const u32 {
    let (edits, heap, held) = glue.mask(kind, shape, cells, data);
    answer(|answer| {
        answer.edits = edits;
        answer.bytes[0] = heap;
        let (edits, heap) = (list(&answer.edits), list(&answer.bytes[0]));
        answer.words = [edits[0], edits[1], heap[0], heap[1], held, 0, 0, 0];
    })
}

/// `classify.classify`: effect and risk as bytes, verbs, labels, findings, objects.
pub fn classify<C: Classifier>(
    glue: &mut ClassifierGlue<C>,
    protocol: u32,
    stage: u32,
    text: &[u8],
    facts: &[u8],
) -> *const u32 {
    let opinion = glue.classify(protocol, stage, text, facts);
    answer(|answer| {
        answer.bytes[0] = nul_terminated(opinion.labels.iter().map(String::as_str));
        answer.bytes[1] = flat_objects(&opinion);
        answer.findings.clear();
        for (rule, range) in &opinion.findings {
            let finding = [u32::from(rule.0), range.start as u32, range.end as u32];
            answer.findings.push(finding);
        }
        let (labels, objects) = (list(&answer.bytes[0]), list(&answer.bytes[1]));
        let findings = list(&answer.findings);
        let grades = opinion.effect as u32 | (opinion.risk as u32) << 8;
        answer.words = [
            grades,
            opinion.verbs.0,
            labels[0],
            labels[1],
            findings[0],
            findings[1],
            objects[0],
            objects[1],
        ];
    })
}
