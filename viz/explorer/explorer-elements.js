"use strict";

/** Elements of the page; text in them is only ever text. */
const elements = (() => {
  function dress(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      element.setAttribute(name, String(value));
    }
    element.append(...children);
    return element;
  }

  /** An element of HTML with attributes and children. */
  const make = (tag, attributes = {}, ...children) =>
    dress(document.createElement(tag), attributes, children);

  /** An element of SVG. */
  const shape = (tag, attributes = {}, ...children) =>
    dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  /** A button that does something; `key` finds it again when its surroundings are written anew. */
  function button(text, key, action, attributes = {}) {
    const made = make("button", { type: "button", "data-key": key, ...attributes }, text);
    made.addEventListener("click", action);
    return made;
  }

  /** Keys that are pressed in an element are no commands of the page, but those with Ctrl are. */
  function alone(element) {
    element.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey) {
        event.stopPropagation();
      }
    });
  }

  /** From the press of a pointer on: `move` hears where it goes, `end` where it is let go of, or taken away by the browser, which scrolls. */
  function follow({ pointerId }, move, end) {
    const own = (listen) => (event) => event.pointerId === pointerId && listen(event);
    const heard = { pointermove: own(move), pointerup: own(done), pointercancel: own(done) };
    function done(event) {
      Object.entries(heard).forEach(([kind, listen]) => window.removeEventListener(kind, listen));
      end(event);
    }
    Object.entries(heard).forEach(([kind, listen]) => window.addEventListener(kind, listen));
  }

  return { make, shape, button, alone, follow };
})();
