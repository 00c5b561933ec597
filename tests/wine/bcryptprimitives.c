// What Rust's standard library asks Windows 10 and newer for, and Wine before 9 has not.
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE out, SIZE_T length) {
    return RtlGenRandom(out, length);
}
