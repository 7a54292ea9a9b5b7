// The theme searches in a Worker, and a browser starts none for a page that was opened from disk. There a hidden
// frame of the same page does the work. The theme asks for the name IFrameWorker; its plugin `offline` would fetch
// a script of that name from unpkg.com, which many who read this cannot reach.
(() => {
  if (location.protocol !== "file:") return;

  // Inside of the frame: what a worker has and a window lacks.
  const inside = () => {
    self.postMessage = (data) => parent.postMessage(data, "*");
    self.importScripts = (...urls) =>
      urls.reduce((before, url) => before.then(() => new Promise((done, fail) => {
        const script = Object.assign(document.createElement("script"), { src: url, onload: done, onerror: fail });
        document.head.append(script);
      })), Promise.resolve());
  };

  class IFrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.frame = Object.assign(document.createElement("iframe"), { hidden: true });
      this.frame.srcdoc = `<script>(${inside})()</script><script src="${new URL(url, location)}"></script>`;
      this.ready = new Promise((done) => this.frame.addEventListener("load", done, { once: true }));
      this.heard = (told) => {
        if (told.source === this.frame.contentWindow) this.dispatchEvent(new MessageEvent("message", { data: told.data }));
      };
      addEventListener("message", this.heard);
      document.body.append(this.frame);
    }

    postMessage(data) {
      const copy = structuredClone(data);
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data: copy })));
    }

    terminate() {
      removeEventListener("message", this.heard);
      this.frame.remove();
    }
  }

  self.IFrameWorker = self.Worker = IFrameWorker;
})();
