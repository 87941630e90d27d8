//! Compiles the templates of `src/ui`, and the program's icons, into the program as one GResource.

fn main() {
    glib_build_tools::compile_resources(
        &["src/ui", "../../packaging/icons/hicolor"],
        "src/ui/resources.gresource.xml",
        "simple-chat.gresource",
    );
}
