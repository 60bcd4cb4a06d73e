//! `ARCHITECTURE.md` and `README.md` name paths; each of them exists. `ARCHITECTURE.md` has invariants.

use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What stands between backquotes, outside of indented blocks, and looks like a path of the repository.
fn paths(text: &str) -> Vec<&str> {
    let prose = text.lines().filter(|line| !line.starts_with("    "));
    prose
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| {
            !code.contains([' ', '|', '*', '=']) && !code.starts_with(['/', '-', '$', '.'])
                || code.starts_with(".ci/")
        })
        .filter(|code| code.contains('/') || code.ends_with(".md") || code.ends_with(".toml"))
        .filter(|code| !code.contains("://") && !code.starts_with("target/"))
        .collect()
}

#[test]
fn every_path_named_exists() {
    let architecture = read("ARCHITECTURE.md");
    let named = paths(&architecture);
    assert!(named.len() > 30, "only {} paths were found in ARCHITECTURE.md", named.len());
    let readme = read("README.md");
    for path in named.into_iter().chain(paths(&readme)) {
        assert!(root().join(path).exists(), "{path} is named and does not exist");
    }
    for line in readme.lines() {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(root().join(link).exists(), "{link} is linked and does not exist");
        }
    }
}

#[test]
fn crates_of_the_workspace_are_described() {
    let readme = read("README.md");
    for part in ["server", "index", "store", "bench", "tests", "scripts"] {
        assert!(readme.contains(&format!("| `{part}` |")), "{part} is missing in README.md");
    }
}

#[test]
fn invariants_are_written_down() {
    assert!(read("ARCHITECTURE.md").matches("**Invariant.**").count() >= 8);
}

/// The direction of dependencies: server -> index -> store.
#[test]
fn crates_depend_one_way() {
    for (part, forbidden) in [
        ("store", vec!["trawl-index", "trawl-server", "trawl-bench"]),
        ("index", vec!["trawl-server", "trawl-bench"]),
    ] {
        let manifest = read(&format!("{part}/Cargo.toml"));
        for name in forbidden {
            assert!(!manifest.contains(name), "{part} depends on {name}");
        }
    }
}

/// glommio is named in two places.
#[test]
fn glommio_stays_where_it_belongs() {
    let mut strangers = Vec::new();
    for part in ["server/src", "store/src", "index/src"] {
        visit(&root().join(part), &mut |path, text| {
            let uses = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains("glommio::") && !code.contains("disk::glommio")
            });
            let relative = path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned();
            if uses && !relative.starts_with("server/src/runtime/") && relative != "store/src/disk/glommio.rs"
            {
                strangers.push(relative);
            }
        });
    }
    assert!(strangers.is_empty(), "glommio is named in {strangers:?}");
}

fn visit(folder: &Path, look: &mut dyn FnMut(&Path, &str)) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            look(&path, &text);
        }
    }
}
