//! The workflow of a release: each of its shell steps, with the real script. What builds, and what sends to others, is replaced by
//! programs that write down how they were called; `ci/release.sh` itself, run by hand, builds for real.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::Site;
use super::pipelines::{bash, github, program, text, values};
use crate::support::root;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const WORKFLOW: &str = "../../.github/workflows/release.yml";

/// A clone with what a release is made of, and the replaced programs.
fn clone() -> Site {
    let site = Site::new();
    let folder = site.folder.path();
    let copied = Command::new("cp")
        .arg("-r")
        .args(
            ["ci", ".gitignore", "LICENSE", "README.md", "CHANGELOG.md"]
                .map(|name| root().join(name)),
        )
        .arg(folder)
        .status();
    assert!(copied.unwrap().success());
    fs::create_dir(site.path("harness")).unwrap();
    fs::create_dir(site.path("bin")).unwrap();
    let git = "git init -q && git -c user.name=x -c user.email=x@example.org commit -q --allow-empty -m x";
    let output = bash(&site, git, &Vec::new());
    assert!(output.status.success(), "{}", text(&output));
    // What the replaced `cargo` builds.
    program(&site, "redrill", &format!("echo redrill {VERSION}"));
    let metadata = format!(r#"{{"packages":[{{"name":"redrill","version":"{VERSION}"}}]}}"#);
    let cargo = format!(
        r#"echo "$@" >> "$HOME/cargo.called"
        while [ "$1" != --target ] && [ "$1" != metadata ] && [ $# -gt 0 ]; do shift; done
        case $1 in
        metadata) echo '{metadata}' ;;
        *)
            mkdir -p "target/$2/release" && cp "$HOME/bin/redrill" "target/$2/release/redrill"
            [ "$3" != --override-filename ] || printf '{{"bomFormat": "CycloneDX", "components": [{{"name": "tokio"}}]}}' > "harness/$4.json"
        esac"#
    );
    program(&site, "cargo", &cargo);
    program(&site, "cargo-cyclonedx", "");
    program(&site, "rustup", r#"echo "$@" > "$HOME/rustup.called""#);
    program(&site, "rustc", r#"cat "$HOME/libraries" 2>/dev/null"#);
    program(&site, "musl-gcc", "");
    program(&site, "gh", r#"echo "$GH_TOKEN" "$@" > "$HOME/gh.called""#);
    let docker = format!(
        r#"echo "$@" >> "$HOME/docker.called"
        case $1 in
        run) case "$*" in *--version) echo "redrill {VERSION}" ;; esac ;;
        login) cat > "$HOME/password" ;;
        import) cat > /dev/null; echo bare ;;
        save) echo image ;;
        esac"#
    );
    program(&site, "docker", &docker);
    // Makes the Postgres image, which is there.
    fs::write(site.path("ci/image.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(site.path("ci/image.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    site
}

fn release(
    site: &Site,
    tag: &str,
    registry: &str,
) -> (std::collections::BTreeMap<String, String>, i32) {
    let more = [
        ("vars.REGISTRY", registry),
        ("secrets.REGISTRY_TOKEN || github.token", "t0ken"),
        ("github.token", "gh-token"),
    ];
    let own = [("GITHUB_REF_NAME", tag), ("GITHUB_ACTOR", "ann")];
    let without: &[&str] = if registry.is_empty() { &["image"] } else { &[] };
    github(site, WORKFLOW, "release", &values("", &more), without, &own)
}

fn called(site: &Site, name: &str) -> String {
    fs::read_to_string(site.path(&format!("{name}.called"))).unwrap_or_default()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_tag_becomes_a_release() {
    let site = clone();
    let tag = format!("v{VERSION}");
    let (said, code) = release(&site, &tag, "registry.example/team");
    assert_eq!(code, 0, "{said:#?}");
    assert!(called(&site, "rustup").contains("--target x86_64-unknown-linux-musl"));
    let machine = std::env::consts::ARCH;
    let name = format!("redrill-{VERSION}-{machine}-unknown-linux-gnu");
    let dist = site.path("target/dist");
    assert_eq!(
        files(&dist),
        [
            "SHA256SUMS".to_owned(),
            format!("redrill-{VERSION}-image.tar.gz"),
            format!("{name}.tar.gz"),
            format!("redrill-{VERSION}.cdx.json"),
        ]
    );
    // There was no target for a static program, and it says how to get one.
    assert!(
        said["build"].contains("no static program: `rustup target add"),
        "{said:#?}"
    );
    let script = format!(
        "cd target/dist && sha256sum --check SHA256SUMS && tar --extract --gzip --file {name}.tar.gz && {name}/redrill --version && ls {name}/*"
    );
    let output = bash(&site, &script, &Vec::new());
    let listed = text(&output);
    assert!(output.status.success(), "{listed}");
    for part in [
        "image.tar.gz: OK",
        ".cdx.json: OK",
        &format!("redrill {VERSION}"),
        "LICENSE",
        "CHANGELOG.md",
        "_redrill",
        "redrill.fish",
        "redrill-merge.1",
    ] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    // What goes to others has the version, and no secret is on a command line.
    let docker = called(&site, "docker");
    let image = format!("registry.example/team/redrill:{VERSION}");
    for part in [
        "login registry.example --username ann --password-stdin\n",
        &format!("tag redrill:{VERSION} {image}\n"),
        &format!("push {image}\n"),
        "redrill run /drills/orders.toml --server local",
    ] {
        assert!(docker.contains(part), "{part}: {docker}");
    }
    assert_eq!(fs::read_to_string(site.path("password")).unwrap(), "t0ken");
    assert!(!docker.contains("t0ken"));
    let gh = called(&site, "gh");
    assert!(
        gh.starts_with(&format!(
            "gh-token release create {tag} target/dist/SHA256SUMS "
        )),
        "{gh}"
    );
    assert!(
        gh.contains(&format!("{name}.tar.gz")) && gh.ends_with("--verify-tag --generate-notes\n"),
        "{gh}"
    );
}

#[test]
fn without_a_registry_no_image_is_pushed() {
    let site = clone();
    let (said, code) = release(&site, &format!("v{VERSION}"), "");
    assert_eq!(code, 0, "{said:#?}");
    assert!(!called(&site, "docker").contains("push"));
}

/// What is not the version that the tag says, or not static, is not released.
#[test]
fn what_is_wrong_is_not_released() {
    let site = clone();
    let (said, code) = release(&site, "v9.9.9", "registry.example/team");
    assert_eq!(code, 3, "{said:#?}");
    let why = format!("the tag is v9.9.9, and Cargo.toml has version {VERSION}");
    assert!(said["build"].contains(&why), "{said:#?}");

    // The target is there, but the program needs a C library.
    fs::create_dir(site.path("musl")).unwrap();
    fs::write(
        site.path("libraries"),
        site.path("musl").display().to_string(),
    )
    .unwrap();
    fs::copy(env!("CARGO_BIN_EXE_redrill"), site.path("bin/redrill")).unwrap();
    let (said, code) = release(&site, &format!("v{VERSION}"), "registry.example/team");
    assert_eq!(code, 3, "{said:#?}");
    assert!(said["build"].contains("is not static"), "{said:#?}");
    assert_eq!(called(&site, "gh"), "");
}
