package qemu

import (
	"encoding/binary"
	"fmt"
	"os"
)

// qcow2Cluster is the cluster size of the images written here, in bytes.
const qcow2Cluster = 64 << 10

// writeQcow2 writes an empty qcow2 image (docs/interop/qcow2.txt of QEMU, version 3) of the given size to path,
// copy-on-write over the raw image backing, an absolute path, when that is not "". It saves needing qemu-img, which
// distributions package apart from QEMU.
//
// The clusters: header, refcount table, its one refcount block, the L1 table.
func writeQcow2(path, backing string, size int64) error {
	if len(backing) > 1023 {
		return fmt.Errorf("backing file name has %d bytes, qcow2 allows 1023", len(backing))
	}
	const perL2 = qcow2Cluster / 8
	l1 := (size + qcow2Cluster*perL2 - 1) / (qcow2Cluster * perL2)
	if size <= 0 || l1*8 > qcow2Cluster {
		return fmt.Errorf("image size %d is out of range", size)
	}
	img := make([]byte, 4*qcow2Cluster)
	be := binary.BigEndian
	copy(img, "QFI\xfb")
	be.PutUint32(img[4:], 3)
	be.PutUint32(img[20:], 16) // cluster bits
	be.PutUint64(img[24:], uint64(size))
	be.PutUint32(img[36:], uint32(l1))
	be.PutUint64(img[40:], 3*qcow2Cluster) // L1 table
	be.PutUint64(img[48:], 1*qcow2Cluster) // refcount table
	be.PutUint32(img[56:], 1)              // of one cluster
	be.PutUint32(img[96:], 4)              // refcounts have 2^4 bits
	be.PutUint32(img[100:], 104)           // header length
	if backing != "" {
		be.PutUint32(img[104:], 0xe2792aca) // extension: format of the backing file
		be.PutUint32(img[108:], 3)
		copy(img[112:], "raw")
		// The extension that ends the list is 8 zero bytes.
		be.PutUint64(img[8:], 128)
		be.PutUint32(img[16:], uint32(len(backing)))
		copy(img[128:], backing)
	}
	be.PutUint64(img[qcow2Cluster:], 2*qcow2Cluster)
	for i := range 4 {
		be.PutUint16(img[2*qcow2Cluster+2*i:], 1)
	}
	return os.WriteFile(path, img, 0o600)
}
