//! Compiles the templates of `src/ui` into the program as one GResource.

fn main() {
    glib_build_tools::compile_resources(
        &["src/ui"],
        "src/ui/resources.gresource.xml",
        "simple-chat.gresource",
    );
}
