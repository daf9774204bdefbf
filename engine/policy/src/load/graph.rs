//! The call graph of rules and functions. A recursive function makes the interpreter overflow its stack,
//! which no timer and no `catch_unwind` stops: the process aborts. So a cycle is refused before anything
//! is evaluated, and so is a chain that is too deep.

use super::references::{Path, ReferenceKind, RuleFacts};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Rules by path, and whom they refer to.
pub(crate) struct Graph {
    paths: Vec<Path>,
    index: BTreeMap<Path, usize>,
    edges: Vec<BTreeSet<usize>>,
}

impl Graph {
    /// The graph of these rules. In tests `with f as g` sends every call of `f` to `g`.
    pub(crate) fn new<'r>(rules: impl Iterator<Item = &'r RuleFacts> + Clone) -> Self {
        let mut index = BTreeMap::new();
        let mut paths = Vec::new();
        for rule in rules.clone() {
            index.entry(rule.path.clone()).or_insert_with(|| {
                paths.push(rule.path.clone());
                paths.len() - 1
            });
        }
        let mut graph = Self {
            edges: vec![BTreeSet::new(); paths.len()],
            paths,
            index,
        };
        for rule in rules {
            let Some(&from) = graph.index.get(&rule.path) else {
                continue;
            };
            let mut replaced: Vec<usize> = Vec::new();
            for reference in &rule.references {
                let targets = graph.targets(&reference.path);
                match reference.kind {
                    ReferenceKind::With => replaced = targets,
                    ReferenceKind::Input => {}
                    ReferenceKind::Data | ReferenceKind::Call | ReferenceKind::Builtin => {
                        for &name in &replaced {
                            graph.edges[name].extend(targets.iter().filter(|&&to| to != name));
                        }
                        graph.edges[from].extend(targets);
                        replaced.clear();
                    }
                }
            }
        }
        graph
    }

    /// The rules that a path may mean: itself, what is below it, and what it is below of.
    pub(crate) fn targets(&self, path: &[String]) -> Vec<usize> {
        if path.first().is_none_or(|root| root != "data") {
            return Vec::new();
        }
        let below = self
            .index
            .range(path.to_vec()..)
            .take_while(|(known, _)| known.starts_with(path))
            .map(|(_, index)| *index);
        let above = (1..path.len()).filter_map(|end| self.index.get(&path[..end]).copied());
        below.chain(above).collect()
    }

    /// Everything that can be reached from these rules, themselves included.
    pub(crate) fn reach(&self, from: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut next: Vec<usize> = from.into_iter().collect();
        while let Some(rule) = next.pop() {
            if seen.insert(rule) {
                next.extend(&self.edges[rule]);
            }
        }
        seen
    }

    /// The path of a rule.
    pub(crate) fn path(&self, rule: usize) -> &Path {
        &self.paths[rule]
    }

    /// The length of the longest chain of calls, or a cycle.
    pub(crate) fn depth(&self) -> Result<usize, Vec<&Path>> {
        let mut callers = vec![0usize; self.paths.len()];
        for edges in &self.edges {
            edges.iter().for_each(|&to| callers[to] += 1);
        }
        let mut ready: VecDeque<usize> = (0..callers.len()).filter(|&r| callers[r] == 0).collect();
        let mut depth = vec![1usize; self.paths.len()];
        let mut done = 0;
        while let Some(rule) = ready.pop_front() {
            done += 1;
            for &to in &self.edges[rule] {
                depth[to] = depth[to].max(depth[rule] + 1);
                callers[to] -= 1;
                if callers[to] == 0 {
                    ready.push_back(to);
                }
            }
        }
        match done == self.paths.len() {
            true => Ok(depth.into_iter().max().unwrap_or(0)),
            false => Err(self.cycle(&callers)),
        }
    }

    /// One cycle among the rules that the topological order could not reach.
    fn cycle(&self, callers: &[usize]) -> Vec<&Path> {
        let stuck = |rule: usize| callers[rule] > 0;
        // Walking backwards from a stuck rule stays within stuck rules and must repeat.
        let mut trail: Vec<usize> = Vec::new();
        let mut here = (0..callers.len()).find(|&r| stuck(r));
        while let Some(rule) = here {
            if let Some(start) = trail.iter().position(|&seen| seen == rule) {
                let mut cycle: Vec<&Path> = trail[start..].iter().map(|&r| self.path(r)).collect();
                cycle.reverse();
                return cycle;
            }
            trail.push(rule);
            here = (0..callers.len()).find(|&from| stuck(from) && self.edges[from].contains(&rule));
        }
        trail.iter().map(|&r| self.path(r)).collect()
    }
}
