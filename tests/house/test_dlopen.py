"""libvarve_plain.so from Python's ctypes: loads late into a program that knows nothing of it, commits a transaction,
reads it back. usage: test_dlopen.py LIBRARY

SPDX-License-Identifier: MIT
"""
import ctypes
import sys


class Slice(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_size_t)]


def main():
    library = ctypes.CDLL(sys.argv[1])
    handle = ctypes.c_void_p
    library.varve_put.argtypes = [handle, handle, Slice, Slice]
    library.varve_get.argtypes = [handle, handle, Slice, ctypes.POINTER(Slice)]
    db, table, txn, value = handle(), handle(), handle(), Slice()

    def call(name, *arguments):
        status = getattr(library, name)(*arguments)
        assert status == 0, f"{name} answered {status}"

    call("varve_open", b":memory:", b"cc=occ", ctypes.byref(db))
    call("varve_table_open", db, b"plugins", None, ctypes.byref(table))
    call("varve_begin", db, None, ctypes.byref(txn))
    call("varve_put", txn, table, Slice(b"name", 4), Slice(b"value", 5))
    call("varve_commit", txn)
    call("varve_begin", db, None, ctypes.byref(txn))
    call("varve_get", txn, table, Slice(b"name", 4), ctypes.byref(value))
    assert ctypes.string_at(value.data, value.size) == b"value"
    call("varve_commit", txn)
    call("varve_close", db)
    print("dlopen: committed and read back")


main()
