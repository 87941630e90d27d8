//! Accessible names and descriptions that change while the program runs. (Those that do not are in the
//! `.ui` files.)
#![expect(
    unsafe_code,
    reason = "gtk4-rs offers GtkAccessible from GTK 4.10 on only, though the C library has had these functions since 4.0"
)]

use std::ffi::{c_int, c_void};

use gtk::glib::prelude::*;
use gtk::glib::translate::IntoGlib;
use gtk::glib::{Value, gobject_ffi};
use gtk::prelude::WidgetExt;

unsafe extern "C" {
    fn gtk_accessible_update_property_value(
        accessible: *mut c_void,
        count: c_int,
        properties: *mut c_int,
        values: *mut gobject_ffi::GValue,
    );

    fn gtk_accessible_reset_relation(accessible: *mut c_void, relation: c_int);
}

/// Calls `widget` by `name`.
pub fn set_label(widget: &impl IsA<gtk::Widget>, name: &str) {
    update(widget.as_ref(), gtk::AccessibleProperty::Label, name);
}

/// Tells more about `widget` than its name.
pub fn set_description(widget: &impl IsA<gtk::Widget>, description: &str) {
    update(widget.as_ref(), gtk::AccessibleProperty::Description, description);
}

/// Calls `button` by `name`. What is pressed is the toggle button inside of it; the frame round that
/// stays without a name, so that there is one button of this name, and it can be pressed.
pub fn set_menu_button_label(button: &gtk::MenuButton, name: &str) {
    if let Some(toggle) = button.first_child() {
        set_label(&toggle, name);
    }
}

/// As [`set_description`], for what is pressed.
pub fn set_menu_button_description(button: &gtk::MenuButton, description: &str) {
    if let Some(toggle) = button.first_child() {
        set_description(&toggle, description);
    }
}

/// Lets `widget` be called by its own name alone: GTK 4.8 says the name of a button with a mnemonic
/// twice, once as its label and once as that of the label inside of it.
pub fn forget_labelling_widget(widget: &impl IsA<gtk::Widget>) {
    let relation = gtk::AccessibleRelation::LabelledBy.into_glib();
    // SAFETY: every GtkWidget is a GtkAccessible, and the relation is one of GtkAccessibleRelation's.
    unsafe { gtk_accessible_reset_relation(widget.as_ref().as_ptr().cast(), relation) }
}

fn update(widget: &gtk::Widget, property: gtk::AccessibleProperty, text: &str) {
    let mut properties = [property.into_glib()];
    let mut values = [text.to_value()];
    // SAFETY: every GtkWidget is a GtkAccessible. Both arrays live over the call and hold one element,
    // as `count` says; `Value` is a transparent GValue, and a string is what both properties take.
    unsafe {
        gtk_accessible_update_property_value(
            widget.as_ptr().cast(),
            1,
            properties.as_mut_ptr(),
            values.as_mut_ptr().cast::<Value>().cast(),
        );
    }
}
