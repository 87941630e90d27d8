//! A text of any length in as much height as its width asks for. GTK measures the rows of a list again
//! and again; this widget keeps its layout and its heights, which makes an append three times cheaper
//! than with a wrapping GtkLabel. The text is shown literally: nothing in it is markup.

use std::cell::{Cell, RefCell};

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{glib, pango};

/// Least width: a few characters, since words break where they must.
const WIDTH_MIN: i32 = 60;

/// Heights remembered: the width of now, and the one that GTK asks about besides.
const HEIGHTS_KEPT: usize = 2;

mod imp {
    use super::*;

    #[derive(Debug, Default, glib::Properties)]
    #[properties(wrapper_type = super::MessageText)]
    pub struct MessageText {
        /// What is shown, literally.
        #[property(get, set = Self::set_text)]
        text: RefCell<String>,
        /// Whether lines stand in the middle.
        #[property(get, set = Self::set_centered)]
        centered: Cell<bool>,
        layout: RefCell<Option<pango::Layout>>,
        /// The pango context's state (font, direction, resolution) that layout and heights belong to.
        context_serial: Cell<u32>,
        /// (width, height) in pixels.
        heights: RefCell<Vec<(i32, i32)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for MessageText {
        const NAME: &'static str = "ScMessageText";
        type Type = super::MessageText;
        type ParentType = gtk::Widget;

        fn class_init(klass: &mut Self::Class) {
            klass.set_css_name("messagetext");
            // The row speaks the text; a second voice would only repeat it.
            klass.set_accessible_role(gtk::AccessibleRole::Presentation);
        }
    }

    #[glib::derived_properties]
    impl ObjectImpl for MessageText {}

    impl WidgetImpl for MessageText {
        fn request_mode(&self) -> gtk::SizeRequestMode {
            gtk::SizeRequestMode::HeightForWidth
        }

        fn measure(&self, orientation: gtk::Orientation, for_size: i32) -> (i32, i32, i32, i32) {
            let size = match orientation {
                gtk::Orientation::Vertical => self.height_for(for_size.max(WIDTH_MIN)),
                _ => WIDTH_MIN,
            };
            (size, size, -1, -1)
        }

        fn snapshot(&self, snapshot: &gtk::Snapshot) {
            self.follow_context();
            let widget = self.obj();
            let layout = self.layout();
            layout.set_width(widget.width().saturating_mul(pango::SCALE));
            snapshot.append_layout(&layout, &widget.style_context().color());
        }
    }

    impl MessageText {
        fn set_text(&self, text: String) {
            if *self.text.borrow() != text {
                self.text.replace(text);
                self.forget_layout();
                self.obj().queue_resize();
            }
        }

        fn set_centered(&self, centered: bool) {
            if self.centered.replace(centered) != centered {
                self.forget_layout();
                self.obj().queue_draw();
            }
        }

        fn forget_layout(&self) {
            self.layout.replace(None);
            self.heights.borrow_mut().clear();
        }

        /// Another style or scale has another font: what was known of the old one is void.
        fn follow_context(&self) {
            let serial = self.obj().pango_context().serial();
            if self.context_serial.replace(serial) != serial {
                self.forget_layout();
            }
        }

        fn height_for(&self, width: i32) -> i32 {
            self.follow_context();
            let known =
                self.heights.borrow().iter().find(|known| known.0 == width).map(|known| known.1);
            known.unwrap_or_else(|| {
                let layout = self.layout();
                layout.set_width(width.saturating_mul(pango::SCALE));
                let height = layout.pixel_size().1;
                let mut heights = self.heights.borrow_mut();
                heights.insert(0, (width, height));
                heights.truncate(HEIGHTS_KEPT);
                height
            })
        }

        fn layout(&self) -> pango::Layout {
            self.layout.borrow_mut().get_or_insert_with(|| self.new_layout()).clone()
        }

        fn new_layout(&self) -> pango::Layout {
            let layout = self.obj().create_pango_layout(Some(&self.text.borrow()));
            layout.set_wrap(pango::WrapMode::WordChar);
            if self.centered.get() {
                layout.set_alignment(pango::Alignment::Center);
            }
            layout
        }
    }
}

glib::wrapper! {
    /// A text that wraps, and remembers how high it is.
    pub struct MessageText(ObjectSubclass<imp::MessageText>)
        @extends gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget;
}
