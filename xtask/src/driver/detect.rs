//! Looks for a Vulkan driver where the Vulkan loader looks.
//!
//! Asking Vulkan itself would be exact, but takes a dependency that makes every command wait for
//! its build. Files tell nearly as much: the loader library, the manifests of the drivers, and the
//! device nodes that hardware drivers open.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LOADER: &str = "libvulkan.so.1";

/// The parts of a machine that decide; tests make their own.
pub struct Host {
    root: PathBuf,
    vars: HashMap<OsString, OsString>,
    /// What `ldconfig -p` prints.
    library_cache: String,
}

impl Host {
    pub fn this() -> Self {
        Self { root: "/".into(), vars: env::vars_os().collect(), library_cache: library_cache() }
    }

    pub fn os_release(&self) -> String {
        ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| fs::read_to_string(self.path(path)).ok())
            .unwrap_or_default()
    }

    /// Whether a switch variable is on: set, and neither empty nor 0.
    pub fn is_set(&self, name: &str) -> bool {
        self.var(name).is_some_and(|value| value != "0")
    }

    fn var(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn paths_in(&self, name: &str) -> Vec<PathBuf> {
        let paths = self.var(name).map(|value| env::split_paths(value).collect::<Vec<_>>());
        paths.unwrap_or_default().iter().map(|path| self.path(path)).collect()
    }

    /// The folders of one XDG kind: `$XDG_<kind>_HOME` and `$XDG_<kind>_DIRS` or their defaults.
    fn xdg_dirs(&self, kind: &str, home: &str, system: &[&str]) -> Vec<PathBuf> {
        let mut dirs = self.paths_in(&format!("XDG_{kind}_HOME"));
        if dirs.is_empty() {
            dirs.extend(self.var("HOME").map(|value| self.path(Path::new(value).join(home))));
        }
        let system_dirs = self.paths_in(&format!("XDG_{kind}_DIRS"));
        // The defaults stay even where the variable replaces them: distributions build the loader
        // with further folders, and these are where a package puts its manifest.
        dirs.into_iter().chain(system_dirs).chain(system.iter().map(|dir| self.path(dir))).collect()
    }
}

/// The folder of `ldconfig` is often not in the search path of ordinary users, and musl has none.
fn library_cache() -> String {
    ["ldconfig", "/sbin/ldconfig"]
        .iter()
        .find_map(|program| Command::new(program).arg("-p").output().ok())
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

/// A driver that wgpu can use, by its manifest.
#[derive(Debug, PartialEq)]
pub enum Driver {
    Named(PathBuf),
    Hardware(PathBuf),
    Software(PathBuf),
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(path) => write!(f, "the Vulkan driver that you named, {}", path.display()),
            Self::Hardware(path) => write!(f, "a GPU and a Vulkan driver, {}", path.display()),
            Self::Software(path) => write!(f, "a software Vulkan driver, {}", path.display()),
        }
    }
}

/// Why there is no driver.
#[derive(Debug, PartialEq)]
pub enum Missing {
    Named { variable: &'static str },
    Loader,
    Manifest,
    Gpu,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { variable } => write!(
                f,
                "{variable} names no driver manifest that exists; correct it, or type:\n    \
                 unset {variable}"
            ),
            Self::Loader => write!(f, "there is no Vulkan loader ({LOADER})"),
            Self::Manifest => f.write_str("there is no Vulkan driver"),
            Self::Gpu => f.write_str("the Vulkan drivers here are for GPUs, and there is no GPU"),
        }
    }
}

pub fn find(host: &Host) -> Result<Driver, Missing> {
    let named = named_manifests(host)?;
    if !has_loader(host) {
        return Err(Missing::Loader);
    }
    if let Some(manifest) = named.into_iter().next() {
        return Ok(Driver::Named(manifest));
    }
    let (software, hardware): (Vec<_>, Vec<_>) =
        installed_manifests(host).into_iter().partition(|path| is_software(path));
    match (hardware.into_iter().next(), software.into_iter().next()) {
        (Some(manifest), _) if has_gpu(host) => Ok(Driver::Hardware(manifest)),
        (_, Some(manifest)) => Ok(Driver::Software(manifest)),
        (Some(_), None) => Err(Missing::Gpu),
        (None, None) => Err(Missing::Manifest),
    }
}

/// The manifests in the variables that make the loader look nowhere else; none if not set.
fn named_manifests(host: &Host) -> Result<Vec<PathBuf>, Missing> {
    // The first of the two that is set counts, as in the loader.
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        if host.var(variable).is_some() {
            let manifests = manifests(&host.paths_in(variable));
            return if manifests.is_empty() {
                Err(Missing::Named { variable })
            } else {
                Ok(manifests)
            };
        }
    }
    Ok(Vec::new())
}

fn installed_manifests(host: &Host) -> Vec<PathBuf> {
    let folders = manifest_folders(host, "icd.d");
    let places: Vec<_> = host.paths_in("VK_ADD_DRIVER_FILES").into_iter().chain(folders).collect();
    manifests(&places)
}

/// The manifest of Vulkan's validation layer.
pub fn find_validation_layer(host: &Host) -> Option<PathBuf> {
    let named = host.paths_in("VK_LAYER_PATH");
    let places = if named.is_empty() {
        let added = host.paths_in("VK_ADD_LAYER_PATH").into_iter();
        added.chain(manifest_folders(host, "explicit_layer.d")).collect()
    } else {
        // The loader looks nowhere else then.
        named
    };
    manifests(&places).into_iter().find(|path| file_name(path) == "VkLayer_khronos_validation.json")
}

/// Where the loader looks for manifests of a kind.
fn manifest_folders(host: &Host, kind: &str) -> Vec<PathBuf> {
    let configuration = host.xdg_dirs("CONFIG", ".config", &["/etc/xdg", "/etc", "/usr/local/etc"]);
    // The last folder is NixOS's.
    let data = ["/usr/local/share", "/usr/share", "/run/opengl-driver/share"];
    let data = host.xdg_dirs("DATA", ".local/share", &data);
    configuration.into_iter().chain(data).map(|dir| dir.join("vulkan").join(kind)).collect()
}

/// Manifests at places that may each be a file or a folder, in a fixed order.
fn manifests(places: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in places {
        if place.is_dir() {
            let mut files = entries(place);
            files.retain(|path| path.extension() == Some(OsStr::new("json")));
            files.sort();
            found.extend(files);
        } else {
            found.push(place.clone());
        }
    }
    found.retain(|path| path.is_file());
    found
}

/// Mesa's `lvp_icd.*.json` is lavapipe's; the other driver without a GPU is SwiftShader.
fn is_software(manifest: &Path) -> bool {
    let name = file_name(manifest);
    name.contains("lvp") || name.contains("swiftshader")
}

/// Device nodes: Mesa's drivers open a render node, NVIDIA's its own, and WSL has `dxg`.
fn has_gpu(host: &Host) -> bool {
    let nodes = ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"];
    entries(&host.path("/dev/dri")).iter().any(|path| file_name(path).starts_with("renderD"))
        || nodes.iter().any(|node| host.path(node).exists())
}

fn has_loader(host: &Host) -> bool {
    host.library_cache.lines().any(|line| line.trim_start().starts_with(LOADER))
        || library_dirs(host).iter().any(|dir| dir.join(LOADER).exists())
}

/// Where the dynamic linker looks; for machines without `ldconfig` the standard folders.
fn library_dirs(host: &Host) -> Vec<PathBuf> {
    let mut dirs = host.paths_in("LD_LIBRARY_PATH");
    let standard = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"];
    dirs.extend(standard.map(|dir| host.path(dir)));
    for parent in ["/lib", "/usr/lib", "/usr/local/lib"] {
        let mut multiarch = entries(&host.path(parent));
        multiarch.retain(|path| is_multiarch(&file_name(path)));
        dirs.extend(multiarch);
    }
    dirs
}

/// Debian's folders per architecture, such as `x86_64-linux-gnu`; another's library is no use.
fn is_multiarch(name: &str) -> bool {
    name.starts_with(env::consts::ARCH) && name.contains("-linux-")
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const LVP: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
    const RADEON: &str = "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json";
    const CACHE: &str = "1 libs found in cache\n\tlibvulkan.so.1 (libc6) => /lib/libvulkan.so.1\n";

    /// A root folder with some empty files, removed with the value.
    struct Fake(Host);

    impl Fake {
        /// A machine with the loader and these files.
        fn new(files: &[&str]) -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("wgpu-batchnorm-xtask-{}-{count}", std::process::id());
            let root = env::temp_dir().join(name);
            fs::create_dir_all(&root).unwrap();
            let host = Host { root, vars: HashMap::new(), library_cache: CACHE.into() };
            for file in files {
                let path = host.path(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            Self(host)
        }

        fn without_cache(mut self) -> Self {
            self.0.library_cache.clear();
            self
        }

        fn var(mut self, name: &str, value: &str) -> Self {
            self.0.vars.insert(name.into(), value.into());
            self
        }

        fn find(&self) -> Result<Driver, Missing> {
            find(&self.0)
        }

        fn software(&self, file: &str) -> Result<Driver, Missing> {
            Ok(Driver::Software(self.0.path(file)))
        }

        fn hardware(&self, file: &str) -> Result<Driver, Missing> {
            Ok(Driver::Hardware(self.0.path(file)))
        }

        fn named(&self, file: &str) -> Result<Driver, Missing> {
            Ok(Driver::Named(self.0.path(file)))
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.root);
        }
    }

    #[test]
    fn a_bare_machine_has_none() {
        assert_eq!(Fake::new(&[]).find(), Err(Missing::Manifest));
        assert_eq!(Fake::new(&[]).without_cache().find(), Err(Missing::Loader));
    }

    #[test]
    fn a_driver_needs_the_loader() {
        assert_eq!(Fake::new(&[LVP]).without_cache().find(), Err(Missing::Loader));
        let other = Fake::new(&[LVP, "/usr/lib/other-linux-gnu/libvulkan.so.1"]).without_cache();
        assert_eq!(other.find(), Err(Missing::Loader));
    }

    #[test]
    fn the_loader_is_found_without_a_cache() {
        let multiarch = format!("/usr/lib/{}-linux-gnu/libvulkan.so.1", env::consts::ARCH);
        for loader in ["/usr/lib/libvulkan.so.1", "/lib64/libvulkan.so.1", &multiarch] {
            let host = Fake::new(&[LVP, loader]).without_cache();
            assert_eq!(host.find(), host.software(LVP), "{loader}");
        }
        let host = Fake::new(&[LVP, "/opt/vk/libvulkan.so.1"]).without_cache();
        let host = host.var("LD_LIBRARY_PATH", "/opt/none:/opt/vk");
        assert_eq!(host.find(), host.software(LVP));
    }

    #[test]
    fn a_software_driver_needs_no_gpu() {
        let host = Fake::new(&[RADEON, LVP]);
        assert_eq!(host.find(), host.software(LVP));
    }

    #[test]
    fn a_hardware_driver_needs_a_gpu() {
        assert_eq!(Fake::new(&[RADEON]).find(), Err(Missing::Gpu));
        // A display controller alone, as virtual machines have, does not compute.
        assert_eq!(Fake::new(&[RADEON, "/dev/dri/card0"]).find(), Err(Missing::Gpu));
        for node in ["/dev/dri/renderD128", "/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"] {
            let host = Fake::new(&[RADEON, LVP, node]);
            assert_eq!(host.find(), host.hardware(RADEON), "{node}");
        }
        assert_eq!(Fake::new(&["/dev/nvidia0"]).find(), Err(Missing::Manifest));
    }

    #[test]
    fn every_folder_of_the_loader_counts() {
        for root in ["/usr/share", "/etc", "/usr/local/share", "/usr/local/etc", "/etc/xdg"] {
            let file = format!("{root}/vulkan/icd.d/lvp_icd.json");
            let host = Fake::new(&[&file]);
            assert_eq!(host.find(), host.software(&file), "{root}");
        }
        let cases = [
            ("HOME", "/home/me", "/home/me/.local/share"),
            ("HOME", "/home/me", "/home/me/.config"),
            ("XDG_DATA_HOME", "/data", "/data"),
            ("XDG_CONFIG_HOME", "/config", "/config"),
            ("XDG_DATA_DIRS", "/a:/b", "/b"),
            ("XDG_CONFIG_DIRS", "/a:/b", "/b"),
        ];
        for (name, value, root) in cases {
            let file = format!("{root}/vulkan/icd.d/lvp_icd.json");
            let host = Fake::new(&[&file]).var(name, value);
            assert_eq!(host.find(), host.software(&file), "{name}");
        }
    }

    #[test]
    fn only_manifests_count() {
        let files = ["/usr/share/vulkan/icd.d/lvp_icd.json.bak", "/etc/vulkan/icd.d/lvp"];
        assert_eq!(Fake::new(&files).find(), Err(Missing::Manifest));
    }

    #[test]
    fn named_files_replace_the_folders() {
        for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            let host = Fake::new(&[LVP, "/opt/mine.json"]).var(variable, "/gone:/opt/mine.json");
            assert_eq!(host.find(), host.named("/opt/mine.json"));
            let host = Fake::new(&[LVP, "/opt/icd/mine.json"]).var(variable, "/opt/icd");
            assert_eq!(host.find(), host.named("/opt/icd/mine.json"));
            let host = Fake::new(&[LVP]).var(variable, "/gone.json");
            assert_eq!(host.find(), Err(Missing::Named { variable }));
            let host = Fake::new(&[LVP]).var(variable, "");
            assert_eq!(host.find(), host.software(LVP));
        }
    }

    #[test]
    fn added_files_count_beside_the_folders() {
        let host = Fake::new(&["/opt/lvp.json"]).var("VK_ADD_DRIVER_FILES", "/opt/lvp.json");
        assert_eq!(host.find(), host.software("/opt/lvp.json"));
    }

    #[test]
    fn the_validation_layer_is_found_where_the_loader_looks() {
        const LAYER: &str = "/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json";
        let other = "/usr/share/vulkan/explicit_layer.d/VkLayer_MESA_overlay.json";
        assert_eq!(find_validation_layer(&Fake::new(&[other, LVP]).0), None);
        let host = Fake::new(&[other, LAYER]);
        assert_eq!(find_validation_layer(&host.0), Some(host.0.path(LAYER)));
        let mine = "/opt/layers/VkLayer_khronos_validation.json";
        let host = Fake::new(&[mine, other]).var("VK_ADD_LAYER_PATH", "/opt/layers");
        assert_eq!(find_validation_layer(&host.0), Some(host.0.path(mine)));
        let host = Fake::new(&[LAYER]).var("VK_LAYER_PATH", "/opt/layers");
        assert_eq!(find_validation_layer(&host.0), None);
    }

    #[test]
    fn os_release_has_two_places() {
        let host = Fake::new(&["/usr/lib/os-release"]);
        assert_eq!(host.0.os_release(), "");
        fs::write(host.0.path("/usr/lib/os-release"), "ID=alpine\n").unwrap();
        assert_eq!(host.0.os_release(), "ID=alpine\n");
    }

    #[test]
    fn a_switch_is_on_unless_zero() {
        let is_set = |value| Fake::new(&[]).var("SWITCH", value).0.is_set("SWITCH");
        assert!(is_set("1") && is_set("yes"));
        assert!(!is_set("0") && !is_set("") && !Fake::new(&[]).0.is_set("SWITCH"));
    }
}
