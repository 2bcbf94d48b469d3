"use strict";

/** The step in the page's address: backprop.html#12 opens after step 12, and goes along. */
(() => {
  const slider = document.getElementById("slider");

  /** Go to the step that the address says, if it says one. */
  function open() {
    const said = /^#(\d+)$/u.exec(location.hash);
    if (said && said[1] !== slider.value) {
      slider.value = said[1];
      slider.dispatchEvent(new Event("input"));
    }
  }

  /** Let the address say the present step; before the first one it says none. */
  function follow() {
    if (location.protocol === "about:") {
      return; // in a frame of a notebook there is no address
    }
    const { step } = document.body.dataset;
    const { pathname, search } = location;
    if (location.hash !== (step === "0" ? "" : `#${step}`)) {
      history.replaceState(null, "", step === "0" ? pathname + search : `#${step}`);
    }
  }

  open();
  new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-step"] });
  window.addEventListener("hashchange", open);
})();
