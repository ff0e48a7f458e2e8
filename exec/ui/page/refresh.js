// Asks for the page again every second while it is looked at, and takes over what
// it shows. When nobody answers any more, says so and stops.
"use strict";
(function () {
  let failures = 0;
  async function again() {
    if (!document.hidden && !window.getSelection().toString()) {
      try {
        const r = await fetch(location.href, { cache: "no-store" });
        const page = new DOMParser().parseFromString(await r.text(), "text/html");
        const fresh = page.querySelector("main");
        if (fresh) {
          const left = [...document.querySelectorAll("pre")].map((p) => [p.scrollLeft, p.scrollTop]);
          document.querySelector("main").replaceWith(fresh);
          document.querySelectorAll("pre").forEach((p, i) => { if (left[i]) { [p.scrollLeft, p.scrollTop] = left[i]; } });
        }
        failures = 0;
      } catch (e) {
        if (++failures === 3) {
          const p = document.createElement("p");
          p.className = "note";
          p.textContent = "It has ended: this is what was last seen.";
          document.querySelector("main").prepend(p);
          return;
        }
      }
    }
    setTimeout(again, 1000);
  }
  setTimeout(again, 1000);
})();
