// When live data is drawn: what has come since is drawn together in one frame, at most ten times a second, and not at
// all while the tab is hidden. What follows a hand is drawn in the next frame. Where a frame takes long, on a machine that
// others use as well, they come less often: drawing never takes more than a share of the time.

export const EVERY = 100; // milliseconds between two drawings of what came by itself, at least
export const PAUSE = 5; // and at least so many times what the last one took, with the page's layout and painting,
export const LONGEST = 1000; // but no more than this

export class Redraws {
  /** `page` is the document; the others are replaced in tests. */
  constructor({
    page,
    frame = (/** @type {() => void} */ f) => requestAnimationFrame(f),
    later = (/** @type {() => void} */ f, /** @type {number} */ ms) => setTimeout(f, ms),
    now = () => performance.now(),
  }) {
    this.page = page;
    this.frame = frame;
    this.later = later;
    this.now = now;
    /** @type {Set<() => void>} */ this.news = new Set(); // what is to be drawn when the time has come
    /** @type {Set<() => void>} */ this.urgent = new Set(); // and in the next frame
    this.next = -Infinity; // when news may be drawn again
    this.framed = this.timed = false; // whether a frame, or the time for one, is awaited
    page.addEventListener("visibilitychange", () => this._wait());
  }

  /** Have `draw` called in the next frame: somebody's hand waits for it. */
  soon(draw) {
    this.urgent.add(draw);
    this._wait();
  }

  /** Have `draw` called once, with all else that is new. */
  queue(draw) {
    this.news.add(draw);
    this._wait();
  }

  /** Forget what was asked for `draw`. */
  drop(draw) {
    this.urgent.delete(draw);
    this.news.delete(draw);
  }

  _wait() {
    if (this.framed || this.page.hidden) return;
    const wait = this.next - this.now();
    if (this.urgent.size || (this.news.size && wait <= 0)) {
      this.framed = true;
      this.frame(() => this._draw());
    } else if (this.news.size && !this.timed) {
      this.timed = true;
      this.later(() => {
        this.timed = false;
        this._wait();
      }, wait);
    }
  }

  _draw() {
    this.framed = false;
    if (this.page.hidden) return; // all of it when it is seen again
    const due = new Set(this.urgent);
    this.urgent.clear();
    const began = this.now();
    if (this.news.size && began >= this.next) {
      this.news.forEach((draw) => due.add(draw));
      this.next = began + EVERY;
      this.later(() => this._rest(began), 0); // when the frame is on screen
    }
    for (const draw of due) {
      this.news.delete(draw);
      draw();
    }
    this._wait();
  }

  _rest(began) {
    const took = this.now() - began;
    this.next = Math.max(this.next, began + Math.min(LONGEST, PAUSE * took));
    this._wait();
  }
}

/**
 * Which of some elements are on screen, or nearly: what is scrolled away need not be painted. `changed` is called when
 * one comes into view.
 */
export class InView {
  constructor(/** @type {Element[]} */ elements, /** @type {() => void} */ changed) {
    this.away = new Set();
    this.observer = new IntersectionObserver(
      (entries) => {
        let came = false;
        for (const { target, isIntersecting } of entries) {
          if (!isIntersecting) this.away.add(target);
          else came = this.away.delete(target) || came;
        }
        if (came) changed();
      },
      { rootMargin: "60px" },
    );
    for (const one of elements) this.observer.observe(one);
  }

  has(/** @type {Element} */ one) {
    return !this.away.has(one);
  }

  close() {
    this.observer.disconnect();
  }
}
