package metrics

import "klamm/observe"

// logs are the log directories, flushes and compaction.
func (s *scrape) logs() {
	offline := 0
	perDir := s.gauge("kafka_log_logmanager_logdirectoryoffline", "Whether a log directory has failed")
	usable := s.gauge("klamm_log_directory_usable_bytes", "Bytes that the file system of a log directory has left")
	total := s.gauge("klamm_log_directory_total_bytes", "Bytes of the file system of a log directory")
	uncleanable := s.gauge("kafka_log_logcleanermanager_uncleanable_partitions_count", "Partitions that could not be compacted, and are left alone for some time")
	uncleanableBytes := s.gauge("kafka_log_logcleanermanager_uncleanable_bytes", "Bytes of the logs that could not be compacted")
	skipped := s.Store().Uncleanable()
	for _, d := range s.Store().Space() {
		of := labels("logDirectory", d.Path)
		uncleanable.addInt(int64(skipped[d.Path].Logs), of)
		uncleanableBytes.addInt(skipped[d.Path].Bytes, of)
		perDir.addBool(d.Err != nil, of)
		if d.Err != nil {
			offline++
		}
		if d.Total >= 0 {
			usable.addInt(d.Usable, of)
			total.addInt(d.Total, of)
		}
	}
	s.gauge("kafka_log_logmanager_offlinelogdirectorycount", "Log directories that have failed").addInt(int64(offline))
	s.histogram("kafka_log_logflushstats_logflushrateandtimems", "Time of flushes to the disk, in ms", s.Observer().Distribution(observe.FlushTime, s.nowMs), 1000)
	s.gauge("kafka_log_logcleaner_deadthreadcount", "Threads of compaction that have ended; klamm's do not").addInt(0)
}
