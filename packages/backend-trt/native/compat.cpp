// What newer C libraries have and glibc 2.28 has not, where the headers and libstdc++ of newer systems refer to it.

extern "C" {
/** Whether the process has one thread, in which case reference counts need not be atomic. It never has: Node.js starts several. */
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}
